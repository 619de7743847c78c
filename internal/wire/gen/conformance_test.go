package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/wire"
)

// snapshots are the requests of the SDK's own tests: one fully populated call per operation.
func snapshots(t testing.TB, service string) map[string]string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/aws/aws-sdk-go-v2/service/"+service).Output()
	if err != nil {
		t.Fatalf("finding the SDK's module: %v", err)
	}
	paths, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), "request_snapshot", "*.request.snap"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimSuffix(filepath.Base(path), ".request.snap")] = string(text)
	}
	return all
}

// request reads a snapshot: the request line, an empty line, headers, an empty line, the body.
func request(t testing.TB, service, text string) (*http.Request, string) {
	t.Helper()
	line, rest, _ := strings.Cut(text, "\n\n")
	head, body, _ := strings.Cut(rest, "\n\n")
	if strings.TrimSpace(line) != "POST /" {
		t.Fatalf("request line %q", line)
	}
	r := httptest.NewRequest("POST", "/", strings.NewReader(body))
	for h := range strings.Lines(head) {
		name, value, ok := strings.Cut(strings.TrimSpace(h), ": ")
		if !ok {
			t.Fatalf("header %q", h)
		}
		r.Header.Set(name, value)
	}
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/"+service+"/aws4_request, SignedHeaders=host, Signature=00")
	return r, body
}

// Every request of the SDK decodes without an unknown parameter and, encoded again by the model alone, is the same request.
func TestRequestSnapshots(t *testing.T) {
	set := wire.NewAPIs(apis["iam"], apis["sts"], apis["organizations"], apis["elasticache"])
	for name, s := range loadAll(t) {
		snaps := snapshots(t, name)
		if len(snaps) != len(s.ops) {
			t.Errorf("%s: %d snapshots for %d operations", name, len(snaps), len(s.ops))
		}
		for _, o := range s.ops {
			t.Run(name+"/"+o.name, func(t *testing.T) {
				r, body := request(t, name, snaps[o.name])
				call, err := set.Recognize(r, []byte(body))
				if err != nil {
					t.Fatal(err)
				}
				if call.Operation.Name != o.name || call.API != apis[name] {
					t.Fatalf("recognized as %s %s", call.API.Name, call.Operation.Name)
				}
				err = call.Validate()
				// The values are placeholders, and many break a constraint. Nothing else may be wrong.
				if err != nil && (fault.KindOf(err) != fault.Invalid || !strings.Contains(fault.MessageOf(err), " detected: ")) {
					t.Fatal(err)
				}
				if strings.Contains(fault.MessageOf(err), "must not be null") {
					t.Errorf("a member is missing: %v", err)
				}
				e := reencoder{s: s}
				if s.model.Metadata.Protocol == "json" {
					var want any
					if err := json.Unmarshal([]byte(body), &want); err != nil {
						t.Fatal(err)
					}
					if got := e.json(o.in.shape, reflect.ValueOf(call.Input).Elem()); !reflect.DeepEqual(got, want) {
						t.Errorf("got  %v\nwant %v", got, want)
					}
					return
				}
				e.form("", o.in.shape, reflect.ValueOf(call.Input).Elem())
				e.pairs = append(e.pairs, "Action="+o.name, "Version="+s.model.Metadata.APIVersion)
				slices.Sort(e.pairs)
				want := strings.Split(body, "&")
				slices.Sort(want)
				if !slices.Equal(e.pairs, want) {
					t.Errorf("got  %v\nwant %v", e.pairs, want)
				}
			})
		}
	}
}

// reencoder writes a decoded input as a request again. It goes by the model and by the field names, and shares nothing with
// the generated code.
type reencoder struct {
	s     *service
	pairs []string
}

func (e *reencoder) shape(name string) *shape {
	if sh := e.s.model.Shapes.by[name]; sh != nil {
		return sh
	}
	return &shape{Type: "structure"} // the input of an operation that has none in the model
}

func (e *reencoder) form(prefix, name string, v reflect.Value) {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return
		}
		v = v.Elem()
	}
	sh := e.shape(name)
	switch sh.Type {
	case "structure":
		for _, mem := range sh.Members.names {
			e.form(dotted(prefix, mem), sh.Members.by[mem].Shape, v.FieldByName(upperFirst(mem)))
		}
	case "list":
		for i := range v.Len() {
			e.form(fmt.Sprintf("%s.%s.%d", prefix, listElement(sh), i+1), sh.Member.Shape, v.Index(i))
		}
	case "map":
		for i, key := range v.MapKeys() {
			at := fmt.Sprintf("%s.entry.%d", prefix, i+1)
			e.form(at+".key", sh.Key.Shape, key)
			e.form(at+".value", sh.Value.Shape, v.MapIndex(key))
		}
	default:
		e.pairs = append(e.pairs, url.QueryEscape(prefix)+"="+url.QueryEscape(plain(v, "2006-01-02T15:04:05Z")))
	}
}

func (e *reencoder) json(name string, v reflect.Value) any {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	sh := e.shape(name)
	switch sh.Type {
	case "structure":
		m := map[string]any{}
		for _, mem := range sh.Members.names {
			f := v.FieldByName(upperFirst(mem))
			if k := f.Kind(); (k == reflect.Pointer || k == reflect.Slice || k == reflect.Map) && f.IsNil() {
				continue
			}
			m[mem] = e.json(sh.Members.by[mem].Shape, f)
		}
		return m
	case "list":
		list := []any{}
		for i := range v.Len() {
			list = append(list, e.json(sh.Member.Shape, v.Index(i)))
		}
		return list
	case "timestamp":
		return float64(v.Interface().(time.Time).Unix())
	case "integer":
		return float64(v.Int())
	case "boolean":
		return v.Bool()
	}
	return plain(v, "")
}

func plain(v reflect.Value, layout string) string {
	switch x := v.Interface().(type) {
	case secret.Text:
		return x.Reveal()
	case time.Time:
		return x.Format(layout)
	case []byte:
		return base64.StdEncoding.EncodeToString(x)
	case float64:
		return strconv.FormatFloat(x, 'g', -1, 64)
	default:
		return fmt.Sprint(x)
	}
}

func dotted(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "." + name
}

// filler makes values that differ from each other and need escaping.
type filler struct{ n int }

func (f *filler) fill(v reflect.Value, depth int) {
	f.n++
	switch v.Interface().(type) {
	case secret.Text:
		v.Set(reflect.ValueOf(secret.New(f.text())))
		return
	case time.Time:
		t := time.Unix(1700000000+int64(f.n), int64(f.n%2)*250e6).UTC()
		v.Set(reflect.ValueOf(t))
		return
	case []byte:
		v.SetBytes([]byte{0, byte(f.n), 0xFF})
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(f.text())
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(int64(f.n))
	case reflect.Float64:
		v.SetFloat(float64(f.n) + 0.5)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		if depth == 0 {
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem(), depth-1)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				f.fill(v.Field(i), depth)
			}
		}
	case reflect.Slice:
		if depth == 0 || v.Type().Elem().Kind() == reflect.Interface {
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		f.fill(v.Index(0), depth-1)
		f.fill(v.Index(1), depth-1)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range 2 {
			e := reflect.New(v.Type().Elem()).Elem()
			f.fill(e, depth-1)
			v.SetMapIndex(reflect.ValueOf(f.text()).Convert(v.Type().Key()), e)
		}
	}
}

func (f *filler) text() string { return fmt.Sprintf("t%d <&>\"' é😀 %%+\t", f.n) }

// same compares one of our values with the SDK's.
func same(at string, ours, theirs reflect.Value) []string {
	for ours.Kind() == reflect.Pointer || theirs.Kind() == reflect.Pointer {
		switch {
		case ours.Kind() == reflect.Pointer && ours.IsNil():
			if !theirs.IsZero() {
				return []string{at + ": absent here, there " + fmt.Sprint(theirs)}
			}
			return nil
		case theirs.Kind() == reflect.Pointer && theirs.IsNil():
			return []string{at + ": the client read nothing"}
		case ours.Kind() == reflect.Pointer:
			ours = ours.Elem()
		default:
			theirs = theirs.Elem()
		}
	}
	switch x := ours.Interface().(type) {
	case secret.Text:
		return differs(at, x.Reveal(), theirs.String())
	case time.Time:
		return differs(at, x.UTC().String(), theirs.Interface().(time.Time).UTC().String())
	case []byte:
		if b, ok := theirs.Interface().([]byte); !ok || !bytes.Equal(x, b) {
			return []string{at + ": bytes differ"}
		}
		return nil
	}
	switch ours.Kind() {
	case reflect.String:
		return differs(at, ours.String(), theirs.String())
	case reflect.Int:
		return differs(at, ours.Int(), theirs.Int())
	case reflect.Bool:
		return differs(at, ours.Bool(), theirs.Bool())
	case reflect.Float64:
		return differs(at, ours.Float(), theirs.Float())
	case reflect.Slice:
		if ours.Len() != theirs.Len() {
			return []string{fmt.Sprintf("%s: %d elements, the client read %d", at, ours.Len(), theirs.Len())}
		}
		var all []string
		for i := range ours.Len() {
			all = append(all, same(fmt.Sprintf("%s[%d]", at, i), ours.Index(i), theirs.Index(i))...)
		}
		return all
	case reflect.Map:
		if ours.Len() != theirs.Len() {
			return []string{fmt.Sprintf("%s: %d entries, the client read %d", at, ours.Len(), theirs.Len())}
		}
		var all []string
		for _, key := range ours.MapKeys() {
			other := theirs.MapIndex(key.Convert(theirs.Type().Key()))
			if !other.IsValid() {
				all = append(all, at+": no entry "+key.String())
				continue
			}
			all = append(all, same(at+"["+key.String()+"]", ours.MapIndex(key), other)...)
		}
		return all
	case reflect.Struct:
		return sameStruct(at, ours, theirs)
	}
	return []string{at + ": cannot compare a " + ours.Type().String()}
}

// sameStruct demands the same fields on both sides.
func sameStruct(at string, ours, theirs reflect.Value) []string {
	var all []string
	for i := range ours.NumField() {
		name := ours.Type().Field(i).Name
		other := theirs.FieldByName(name)
		if !other.IsValid() {
			all = append(all, at+"."+name+": not in the SDK")
			continue
		}
		all = append(all, same(at+"."+name, ours.Field(i), other)...)
	}
	for i := range theirs.NumField() {
		f := theirs.Type().Field(i)
		if f.IsExported() && f.Name != "ResultMetadata" && !ours.FieldByName(f.Name).IsValid() {
			all = append(all, at+"."+f.Name+": only in the SDK")
		}
	}
	return all
}

func differs[T comparable](at string, a, b T) []string {
	if a == b {
		return nil
	}
	return []string{fmt.Sprintf("%s: %v, the client read %v", at, a, b)}
}
