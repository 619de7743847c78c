package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/checklist"
)

// call is a mark as it stands in a test's source.
type call struct {
	pkg, file string
	line      int
	followed  bool // something that can assert comes after it
}

// markCalls finds the calls of checklist's functions in all test files.
func markCalls(root string) ([]call, error) {
	var calls []call
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != root || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		found, err := callsIn(path)
		if err != nil {
			return err
		}
		pkg, err := filepath.Rel(root, filepath.Dir(path))
		for _, c := range found {
			c.pkg = filepath.ToSlash(pkg)
			calls = append(calls, c)
		}
		return err
	})
	return calls, err
}

func callsIn(path string) (calls []call, err error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var blocks []*ast.BlockStmt // that enclose the node, outermost first
	var walk func(ast.Node) bool
	visit := func(n ast.Node) { ast.Inspect(n, walk) }
	walk = func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BlockStmt:
			blocks = append(blocks, n)
			for _, stmt := range n.List {
				visit(stmt)
			}
			blocks = blocks[:len(blocks)-1]
			return false
		case *ast.CallExpr:
			if sel, ok := n.Fun.(*ast.SelectorExpr); ok {
				if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "checklist" && sel.Sel.Name == "Shows" {
					at := files.Position(n.Pos())
					calls = append(calls, call{file: filepath.Base(path), line: at.Line, followed: followed(blocks, n)})
				}
			}
		}
		return true
	}
	visit(file)
	return calls, nil
}

// followed reports whether a statement with a call comes after the mark, in a block around it.
func followed(blocks []*ast.BlockStmt, mark *ast.CallExpr) bool {
	return slices.ContainsFunc(blocks, func(b *ast.BlockStmt) bool {
		return slices.ContainsFunc(b.List, func(stmt ast.Stmt) bool {
			if stmt.Pos() <= mark.Pos() {
				return false
			}
			asserts := false
			ast.Inspect(stmt, func(n ast.Node) bool {
				if c, ok := n.(*ast.CallExpr); ok && !isMark(c) {
					asserts = true
				}
				return !asserts
			})
			return asserts
		})
	})
}

func isMark(c *ast.CallExpr) bool {
	sel, ok := c.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	pkg, ok := sel.X.(*ast.Ident)
	return ok && pkg.Name == "checklist"
}

// checkCalls finds marks that prove nothing: nothing comes after them, or no test that ran to a good end passed them.
func checkCalls(calls []call, marks []checklist.Mark) (problems []string) {
	type place struct {
		pkg, file string
		line      int
	}
	ran := make(map[place]bool)
	for _, m := range marks {
		ran[place{m.Package, m.File, m.Line}] = true
	}
	for _, c := range calls {
		at := fmt.Sprintf("%s/%s:%d", c.pkg, c.file, c.line)
		if !c.followed {
			problems = append(problems, at+": nothing comes after the mark")
		}
		if !ran[place{c.pkg, c.file, c.line}] {
			problems = append(problems, at+": no test that passed came by this mark")
		}
	}
	return problems
}
