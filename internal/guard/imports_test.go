package guard

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/ostiary-iam/ostiary/"

// forbidden says who may never import whom. Names are relative to the module; "x/..." is x and everything under it;
// a target with a dot in its first part is a path outside the module. A row whose names all vanished fails.
var forbidden = []struct {
	from    string
	never   []string
	except  []string // packages under from that may
	because string
}{
	{from: "policy/...", never: []string{"catalog"}, except: []string{"policy/lint"},
		because: "the engine is useful without the catalog"},
	{from: "arn", never: []string{"internal/..."}, because: "others embed it; it must be auditable alone"},
	{from: "policy/...", never: []string{"internal/..."}, because: "others embed it; it must be auditable alone"},
	{from: "sigv4", never: []string{"internal/..."}, because: "others embed it; it must be auditable alone"},
	{from: "catalog", never: []string{"internal/..."}, because: "others embed it; it must be auditable alone"},
	{from: "...", never: []string{"internal/store/bolt", "internal/store/etcd"}, except: []string{"internal/node", "internal/store/bolt", "internal/store/etcd"},
		because: "the engine is chosen once"},
	{from: "internal/authorizer", never: []string{"internal/directory", "internal/wire", "net/http"},
		because: "the hot path writes nothing and parses no forms"},
	{from: "internal/snapshot", never: []string{"internal/directory", "internal/wire", "net/http"},
		because: "the hot path writes nothing and parses no forms"},
	{from: "internal/service/...", never: []string{"internal/store/..."}, because: "no way around invariants, permission check and audit"},
	{from: "internal/directory", never: []string{"net/http", "internal/wire/...", "internal/snapshot", "internal/gate"},
		because: "the domain does not know its callers"},
	{from: "internal/federation/...", never: []string{"internal/directory", "internal/store/...", "internal/gate", "internal/snapshot", "net/http"},
		except: []string{"internal/federation/oidctest"}, because: "verification can be tested and fuzzed alone"},
	{from: "internal/issuer", never: []string{"internal/directory", "internal/gate", "internal/snapshot", "internal/service/...", "internal/wire/..."},
		because: "it keeps keys and signs what it is given: who may have a token of what was decided before"},
	{from: "...", never: []string{"github.com/go-jose/go-jose/v4/..."}, except: []string{"internal/federation/oidc"},
		because: "one importer for each security library"},
	{from: "...", never: []string{"internal/federation/samltest", "internal/federation/oidctest"}, because: "only tests need an identity provider of their own"},
	{from: "...", never: []string{"github.com/russellhaering/goxmldsig/...", "github.com/beevik/etree", "github.com/mattermost/xml-roundtrip-validator"},
		except: []string{"internal/federation/saml"}, because: "what XML signatures depend on has one importer"},
	{from: "internal/signin", never: []string{"internal/directory", "internal/store/...", "internal/service/...", "internal/authorizer", "internal/node", "internal/server"},
		because: "who signs in gets nothing around the gate: no store to ask, no operation to call, no decision of its own"},
	{from: "...", never: []string{"internal/signin"}, except: []string{"internal/node"}, because: "the console's doors are hung once; the gate does not know them"},
	{from: "internal/certificate", never: []string{"internal/directory", "internal/entity", "internal/store/...", "net/http"},
		because: "what callers upload is read by pure functions, which can be tested and fuzzed alone"},
	{from: "internal/imds", never: []string{"internal/directory", "internal/store/...", "internal/gate", "internal/snapshot", "internal/node", "internal/server"},
		because: "it runs beside programs, on other machines than the server's, and decides nothing"},
	{from: "internal/credprocess", never: []string{"internal/directory", "internal/store/...", "internal/gate", "internal/snapshot", "internal/node", "internal/server", "internal/wire/..."},
		because: "it is a client: what it knows of the server is what AWS documents"},
	{from: "internal/cell", never: []string{"internal/directory", "internal/gate", "internal/snapshot", "internal/node"},
		because: "what moves an account knows whose a record is and nothing else of it"},
	{from: "internal/sshkey", never: []string{"internal/directory", "internal/entity", "internal/store/...", "net/http"},
		because: "what callers upload is read by pure functions, which can be tested and fuzzed alone"},
	{from: "...", never: []string{"golang.org/x/crypto/ssh"}, because: "a public key is three fields: no server links a protocol for them; tests compare with it"},
	{from: "internal/elasticache/...", never: []string{"internal/directory", "internal/store/...", "internal/gate", "internal/snapshot", "internal/authorizer", "internal/wire/...", "internal/service/...", "net/http"},
		except: []string{"internal/elasticache/inventory"}, because: "processes and engines know nothing of accounts and permissions: what stands above them decides"},
	{from: "...", never: []string{"github.com/redis/go-redis/v9/..."}, except: []string{"internal/elasticache/engine/redis"},
		because: "one importer for the client of the engines"},
	{from: "...", never: []string{"internal/elasticache/engine/redis", "internal/elasticache/engine/memcached"}, except: []string{"internal/node"},
		because: "above the seam an engine is a driver; which there are is wired once"},
	{from: "internal/elasticache/engine/...", never: []string{"internal/elasticache/supervise", "internal/elasticache/topology"}, because: "the seam does not know who uses it"},
	{from: "internal/elasticache/topology", never: []string{"internal/elasticache/supervise"}, because: "roles and slots are moved on nodes wherever they run"},
	{from: "...", never: []string{"internal/elasticache/engine/enginetest"}, because: "only tests prove a driver"},
	{from: "...", never: []string{"internal/checklist"}, except: []string{"internal/checklist/cover"}, because: "only tests say what they show"},
	{from: "...", never: []string{"google.golang.org/grpc/...", "go.etcd.io/etcd/...", "go.uber.org/zap/..."}, except: []string{"internal/store/etcd"},
		because: "one place to replace, and nothing else learns to depend on it"},
	{from: "...", never: []string{"github.com/prometheus/client_golang/..."}, except: []string{"internal/telemetry"},
		because: "metrics have one door"},
	{from: "...", never: []string{"go.etcd.io/bbolt"}, except: []string{"internal/store/bolt"}, because: "one importer for each storage library"},
	{from: "...", never: []string{"golang.org/x/crypto/..."}, except: []string{"internal/credential"}, because: "one room hashes passwords"},
	{from: "...", never: []string{"rsc.io/qr/..."}, except: []string{"internal/credential"}, because: "QR codes have one door"},
	{from: "...", never: []string{"github.com/BurntSushi/toml"}, except: []string{"internal/config"}, because: "configuration has one door"},
}

// alone are the public packages that may use no third-party module, with the one file that is the exception.
var alone = map[string][]string{
	"arn": nil, "arn/glob": nil, "sigv4": nil, "catalog": nil, "ostiarytest": nil,
	"policy":            {"github.com/go-json-experiment/json/jsontext"},
	"policy/batch":      {"github.com/go-json-experiment/json/jsontext"},
	"policy/lint":       nil,
	"policy/policytest": {"golang.org/x/tools/txtar", "github.com/rogpeppe/go-internal/txtar"},
}

type listed struct {
	ImportPath string
	Imports    []string
	Standard   bool
	Doc        string
	GoFiles    []string
}

func packages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,Doc,GoFiles", module+"...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var all []listed
	dec := json.NewDecoder(bytes.NewReader(out))
	for {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 10 {
		t.Fatalf("go list found %d packages", len(all))
	}
	return all
}

// matches reports whether a path (relative to the module, or foreign) is meant by a pattern.
func matches(pattern, path string) bool {
	if pattern == "..." {
		return true
	}
	if base, ok := strings.CutSuffix(pattern, "/..."); ok {
		return path == base || strings.HasPrefix(path, base+"/")
	}
	return path == pattern
}

func TestImports(t *testing.T) {
	all := packages(t)
	for _, row := range forbidden {
		found := false
		for _, p := range all {
			name := strings.TrimPrefix(p.ImportPath, module)
			if !matches(row.from, name) || slices.ContainsFunc(row.except, func(e string) bool { return matches(e, name) }) {
				continue
			}
			found = true
			for _, imp := range p.Imports {
				imp = strings.TrimPrefix(imp, module)
				for _, never := range row.never {
					if matches(never, imp) {
						t.Errorf("%s imports %s: %s", name, imp, row.because)
					}
				}
			}
		}
		if !found {
			t.Errorf("the row from %s names no package that exists", row.from)
		}
		for _, e := range slices.Concat(row.except, row.never) {
			ours := !strings.Contains(strings.SplitN(e, "/", 2)[0], ".") && e != "net/http"
			if ours && !slices.ContainsFunc(all, func(p listed) bool { return matches(e, strings.TrimPrefix(p.ImportPath, module)) }) {
				t.Errorf("the row from %s names %s, which does not exist", row.from, e)
			}
		}
	}
}

func TestPublicPackagesStandAlone(t *testing.T) {
	seen := 0
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		allowed, ok := alone[name]
		if !ok {
			continue
		}
		seen++
		for _, imp := range p.Imports {
			foreign := strings.Contains(strings.SplitN(imp, "/", 2)[0], ".") && !strings.HasPrefix(imp, module)
			if foreign && !slices.Contains(allowed, imp) {
				t.Errorf("%s imports %s; public libraries stand on the standard library", name, imp)
			}
		}
	}
	if seen != len(alone) {
		t.Errorf("found %d of %d public packages: the table names one that vanished", seen, len(alone))
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		if len(p.GoFiles) == 0 {
			continue
		}
		if len(p.Doc) < 20 {
			t.Errorf("%s has no package comment", name)
		}
		for _, part := range strings.Split(name, "/") {
			if slices.Contains([]string{"util", "utils", "common", "helpers", "types", "misc", "base"}, part) {
				t.Errorf("%s: a package is named after what it is for, not %q", name, part)
			}
		}
	}
}
