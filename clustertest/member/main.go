// Command member is one etcd member: etcd itself, built from its module. Its flags are etcd's. It ends when its standard
// input does, so that no member outlives the test that started it.
package main

import (
	"io"
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // however it ends, it has ended
		os.Exit(3)
	}()
	etcdmain.Main(os.Args)
}
