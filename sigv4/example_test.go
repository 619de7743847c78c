package sigv4_test

import (
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/ostiary-iam/ostiary/sigv4"
)

// A handler that lets in whoever signed the request with the secret of their key.
func Example() {
	secrets := map[string]string{"AKIDEXAMPLE": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
	verifier := &sigv4.Verifier{Cache: sigv4.NewCache(1000)}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
			return
		}
		p, err := sigv4.Parse(r)
		if err == nil {
			err = p.CheckService("queue")
		}
		if err == nil {
			secret, ok := secrets[p.AccessKeyID]
			if !ok {
				http.Error(w, "unknown key", http.StatusForbidden)
				return
			}
			err = verifier.Verify(p, secret, sha256.Sum256(body))
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		fmt.Fprintf(w, "hello %s", p.AccessKeyID)
	})

	r := httptest.NewRequest("POST", "http://queue.example.test/", strings.NewReader("Action=Receive"))
	signer := sigv4.Signer{AccessKeyID: "AKIDEXAMPLE", Secret: secrets["AKIDEXAMPLE"], Region: "us-east-1", Service: "queue"}
	if err := signer.Sign(r, sha256.Sum256([]byte("Action=Receive")), time.Now()); err != nil {
		fmt.Println(err)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	fmt.Println(w.Code, w.Body)
	// Output: 200 hello AKIDEXAMPLE
}
