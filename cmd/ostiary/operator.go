package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/ostiary-iam/ostiary/internal/config"
	"github.com/ostiary-iam/ostiary/internal/imds"
	"github.com/ostiary-iam/ostiary/internal/node"
	"github.com/ostiary-iam/ostiary/internal/opclient"
)

// storeCommand is what commands share that work on a store: on that of a running server, by its operator API, or on one that no
// server has open.
type storeCommand struct {
	cfg       *config.Config
	endpoint  string
	tokenFile string
}

func (c *storeCommand) flags(fs *flag.FlagSet) {
	fs.StringVar(&c.endpoint, "endpoint", "", "`URL` of a running server, whose store is meant; without it no server may have the store open")
	fs.StringVar(&c.tokenFile, "operator-token-file", "", "`file` with the operator's token (default operator-token in the data directory; it may be missing, as for a server in dev mode)")
}

// load reads the arguments. It returns those that are no flags.
func (c *storeCommand) load(name string, args []string, extra func(*flag.FlagSet)) (rest []string, err error) {
	c.cfg, rest, err = config.LoadStore(name, args, extra)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		err = usageError{err}
	}
	return rest, err
}

// client returns a client of the running server.
func (c *storeCommand) client() (*opclient.Client, error) {
	endpoint, err := imds.Endpoint(c.endpoint)
	if err != nil {
		return nil, usageError{fmt.Errorf("--endpoint: %w", err)}
	}
	path := c.tokenFile
	if path == "" {
		path = filepath.Join(c.cfg.DataDir, "operator-token")
	}
	token, err := imds.ReadToken(path)
	if errors.Is(err, fs.ErrNotExist) && c.tokenFile == "" {
		err = nil
	}
	if err != nil {
		return nil, fmt.Errorf("the operator's token: %w", err)
	}
	return &opclient.Client{Endpoint: endpoint, Token: token}, nil
}

// node is the configuration of the store.
func (c *storeCommand) node() (node.Config, error) {
	where, err := config.ParseStore(c.cfg.Store)
	if err != nil {
		return node.Config{}, usageError{err}
	}
	master, err := masterFromEnvironment(c.cfg)
	return node.Config{
		Dir: c.cfg.DataDir, Store: where.Engine, Etcd: etcdOf(c.cfg, where), Region: c.cfg.Region, MasterKeyFile: c.cfg.MasterKeyFile, MasterKey: master,
		Version: version(),
	}, err
}
