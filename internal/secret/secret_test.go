package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/ostiary-iam/ostiary/internal/secret"
)

func TestNoWayOfPrintingShowsIt(t *testing.T) {
	const plain = "wJalrXUtnFEMI"
	s := secret.New(plain)
	holder := struct{ S secret.Text }{s}
	var out []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		out = append(out, fmt.Sprintf(verb, s), fmt.Sprintf(verb, holder), fmt.Sprintf(verb, &holder), fmt.Sprintf(verb, []secret.Text{s}))
	}
	text, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("made", "secret", s, "holder", holder)
	slog.New(slog.NewTextHandler(&log, nil)).Info("made", "secret", s)
	out = append(out, string(text), log.String(), s.String())
	for _, o := range out {
		if strings.Contains(o, plain) || strings.Contains(o, fmt.Sprintf("%x", plain)) {
			t.Errorf("printed: %s", o)
		}
	}
	if s.Reveal() != plain {
		t.Error("Reveal does not give the text back")
	}
}

func TestEqual(t *testing.T) {
	a := secret.New("a")
	if !a.Equal(secret.New("a")) || a.Equal(secret.New("b")) || a.Equal(secret.Text{}) {
		t.Error("Equal is wrong")
	}
	if !(secret.Text{}).IsZero() || a.IsZero() {
		t.Error("IsZero is wrong")
	}
}
