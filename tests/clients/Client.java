import java.io.FileInputStream;
import java.net.InetSocketAddress;
import java.net.ProxySelector;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** A GET by HttpClient; prints status, version and content. Arguments: URL, token, proxy port, roots in PEM. */
public class Client {
    public static void main(String[] args) throws Exception {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, null);
        try (FileInputStream roots = new FileInputStream(args[3])) {
            store.setCertificateEntry("root", CertificateFactory.getInstance("X.509").generateCertificate(roots));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        SSLContext tls = SSLContext.getInstance("TLS");
        tls.init(null, trust.getTrustManagers(), null);

        HttpClient client = HttpClient.newBuilder()
            .sslContext(tls)
            .proxy(ProxySelector.of(new InetSocketAddress("127.0.0.1", Integer.parseInt(args[2]))))
            .build();
        HttpRequest request =
            HttpRequest.newBuilder(URI.create(args[0])).header("Authorization", "Bearer " + args[1]).build();
        HttpResponse<String> reply = client.send(request, HttpResponse.BodyHandlers.ofString());
        System.out.println(reply.statusCode() + " " + reply.version() + " " + reply.body());
    }
}
