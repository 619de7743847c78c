package node_test

import (
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/ostiary-iam/ostiary/internal/node"
)

// TestMetrics: a node has no metric that docs/operating.md lacks, and reads every gauge that stands there; that of the certificate is for
// servers with one.
func TestMetrics(t *testing.T) {
	n, err := node.Open(t.Context(), node.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	w := httptest.NewRecorder()
	n.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	there := make(map[string]string) // :: name → type
	for line := range strings.Lines(w.Body.String()) {
		if rest, ok := strings.CutPrefix(line, "# TYPE ostiary_"); ok {
			name, kind, _ := strings.Cut(strings.TrimSpace(rest), " ")
			there["ostiary_"+name] = kind
		}
	}
	text, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := make(map[string]bool)
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, " | ")
		name, ok := strings.CutPrefix(cells[0], "| `ostiary_")
		if !ok {
			continue
		}
		name = "ostiary_" + strings.TrimSuffix(name, "`")
		documented[name] = true
		plain := len(cells) > 2 && strings.TrimSpace(cells[2]) == "" // without labels, so that it is always there
		if plain && there[name] != cells[1] && name != "ostiary_certificate_expiry_timestamp_seconds" {
			t.Errorf("%s is a %q and not a %s", name, there[name], cells[1])
		}
	}
	for name := range there {
		if !documented[name] {
			t.Errorf("%s is not in docs/operating.md", name)
		}
	}
	if len(there) < 20 {
		t.Errorf("only %d metrics", len(there))
	}
}
