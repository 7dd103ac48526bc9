// A GET by Node's own fetch; prints status and content. The dispatcher makes it honour the proxy variables.
import { createRequire } from "node:module";

const [deps, url, token] = process.argv.slice(2);
const { EnvHttpProxyAgent, setGlobalDispatcher } = createRequire(`${deps}/`)("undici");
setGlobalDispatcher(new EnvHttpProxyAgent());
try {
  const reply = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
  console.log(reply.status, await reply.text());
} catch (error) {
  console.log("error", error.cause?.message ?? error.message);
  process.exitCode = 1;
}
