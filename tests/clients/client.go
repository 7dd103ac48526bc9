// A GET by net/http; prints status and content. Proxy and trust come from the environment.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
)

func main() {
	request, err := http.NewRequest("GET", os.Args[1], nil)
	if err != nil {
		fail(err)
	}
	request.Header.Set("Authorization", "Bearer "+os.Args[2])
	reply, err := http.DefaultClient.Do(request)
	if err != nil {
		fail(err)
	}
	content, err := io.ReadAll(reply.Body)
	if err != nil {
		fail(err)
	}
	fmt.Println(reply.StatusCode, reply.Proto, string(content))
}

func fail(err error) {
	fmt.Println("error", err)
	os.Exit(1)
}
