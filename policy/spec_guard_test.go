package policy_test

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// shared is what the specification evaluator may use of this package beside what its own files declare: the parsed document, the
// question, the decision, and what an account consists of. Nothing in it matches or decides.
var shared = strings.Fields(`
	Document.EffectiveVersion Document.Statements Version2012
	Statement Statement.Actions Statement.Conditions Statement.Effect Statement.Pos Statement.Principals Statement.Resources Statement.Sid
	Strings Strings.Not Strings.Pos Strings.Values Value Value.Text Condition.Operator Condition.Tests Test.Key Test.Values
	Principals.Not Principals.Pos Principals.Refs PrincipalRef PrincipalRef.Type PrincipalRef.Value Value.Pos
	Allow Deny Trust Policy Policy.doc Policy.kind Policy.name
	Request Request.Action Request.Context Request.Principal Request.Resource Request.ResourceAccount Context.All
	PrincipalType User Root AssumedRole FederatedUser WebIdentity SAML ServicePrincipal
	Principal Principal.ARN Principal.Account Principal.IssuerUserARN Principal.Provider Principal.RoleARN Principal.Service
	Principal.ServiceLinked Principal.Type Principal.UniqueID
	Set Set.Boundary Set.Identity Set.Resource Set.ResourceControl Set.ServiceControl Set.Session
	Decision Decision.Effect Decision.Explicit Decision.Layer Decision.Policy Decision.Statement
	Layer Layer.String LayerNone LayerIdentity LayerResource LayerBoundary LayerSession LayerServiceControl LayerResourceControl
	Allows Denies LayerAccount LayerAccount.Exempt LayerAccount.Layer LayerAccount.Level LayerAccount.Policies LayerAccount.Verdict
	LayerAccount.naming LayerAccount.policy LayerAccount.statement PolicyAccount PolicyAccount.Policy PolicyAccount.Statements
	StatementAccount StatementAccount.Effect StatementAccount.Failed StatementAccount.Index StatementAccount.Matched StatementAccount.Missing
	StatementAccount.Pos StatementAccount.Sid StatementAccount.Variables
	Failure Failure.Element Failure.Key Failure.Operator Failure.Pos Failure.Reason Failure.Saw Failure.Wanted
	Variable Variable.Default Variable.Key Variable.Problem Variable.Value not`)

// imports are the packages that the specification evaluator may use.
var imports = strings.Fields("encoding/base64 fmt math/big net/netip regexp slices strconv strings time unicode unicode/utf8")

// noImports leaves the other packages unknown, which hides nothing of this one.
type noImports struct{}

func (noImports) Import(string) (*types.Package, error) { return nil, errors.New("not read") }

// TestSpecificationStandsAlone holds that the specification evaluator uses nothing of the compiled engine, nor arn/glob.
func TestSpecificationStandsAlone(t *testing.T) {
	fset := token.NewFileSet()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var files, spec []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
		if ofSpec(name) {
			spec = append(spec, f)
		}
	}
	if len(spec) < 3 {
		t.Fatalf("%d files of the specification evaluator", len(spec))
	}
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	config := types.Config{Importer: noImports{}, Error: func(error) {}}
	pkg, _ := config.Check("policy", fset, files, info) // the errors come from the imports
	member := members(pkg)

	used := map[string]bool{}
	for _, f := range spec {
		for _, i := range f.Imports {
			if path := strings.Trim(i.Path.Value, `"`); !slices.Contains(imports, path) {
				t.Errorf("%v: imports %s", fset.Position(i.Pos()), path)
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			id, ok := n.(*ast.Ident)
			if !ok {
				return true
			}
			obj := info.Uses[id]
			if obj == nil || obj.Pkg() != pkg || ofSpec(fset.Position(obj.Pos()).Filename) {
				return true
			}
			if _, isImport := obj.(*types.PkgName); isImport {
				return true
			}
			name := obj.Name()
			if m := member[obj]; m != "" {
				name = m
			}
			used[name] = true
			if !slices.Contains(shared, name) {
				t.Errorf("%v: uses %s of %s", fset.Position(id.Pos()), name, fset.Position(obj.Pos()).Filename)
			}
			return true
		})
	}
	for _, name := range shared {
		if !used[name] {
			t.Errorf("%s is listed as shared and not used", name)
		}
	}
}

func ofSpec(file string) bool { return file == "spec.go" || strings.HasPrefix(file, "spec_") }

// members names the methods and fields of the package's types.
func members(pkg *types.Package) map[types.Object]string {
	out := map[types.Object]string{}
	for _, name := range pkg.Scope().Names() {
		typ, ok := pkg.Scope().Lookup(name).(*types.TypeName)
		if !ok {
			continue
		}
		if named, ok := typ.Type().(*types.Named); ok {
			for m := range named.Methods() {
				out[m] = name + "." + m.Name()
			}
		}
		if st, ok := typ.Type().Underlying().(*types.Struct); ok {
			for f := range st.Fields() {
				out[f] = name + "." + f.Name()
			}
		}
	}
	return out
}
