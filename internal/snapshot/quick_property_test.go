package snapshot

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ostiary-iam/ostiary/internal/entity"
)

// filler sets the fields of records to random values, also fields that this test has never heard of.
type filler struct{ *rand.Rand }

func (f filler) text() string {
	const letters = "abcXYZ019+=,.@_/-: \"\\\n\t<&>üß€\u2028"
	runes := []rune(letters)
	var b strings.Builder
	for range 1 + f.IntN(12) {
		b.WriteRune(runes[f.IntN(len(runes))])
	}
	return b.String()
}

// fill sets v. Lists and maps have one to three elements, since a record leaves empty ones out; times are as entities have them.
func (f filler) fill(v reflect.Value) {
	if v.Type() == reflect.TypeFor[time.Time]() {
		v.Set(reflect.ValueOf(time.Unix(1_600_000_000+f.Int64N(400_000_000), 0).UTC()))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(f.text())
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(f.Int64N(1_000_000_000_000_000_000) >> f.IntN(60))
	case reflect.Uint8:
		v.SetUint(f.Uint64N(256))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1+f.IntN(3), 3))
		for i := range v.Len() {
			f.fill(v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range 1 + f.IntN(3) {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			f.fill(key)
			f.fill(value)
			v.SetMapIndex(key, value)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f.IntN(8) > 0 { // now and then a field stays as it is
				f.fill(v.Field(i))
			}
		}
	default:
		panic(fmt.Sprintf("a record has a field of type %s: teach filler and quick about it", v.Type()))
	}
}

// agree holds quick and Decode against each other: quick must not give up on what Encode writes, whatever fields are set.
func agree[T any](t *testing.T, f filler, quick func(*decoder, []byte, *T) bool) {
	t.Helper()
	d := new(decoder)
	for range 2000 {
		record := new(T)
		f.fill(reflect.ValueOf(record).Elem())
		stored := entity.Encode(record)
		want, err := entity.Decode[T](stored)
		if err != nil {
			t.Fatalf("Decode refuses %s: %v", stored, err)
		}
		got := new(T)
		if !quick(d, stored, got) {
			if odd := strings.Contains(string(stored), `\u`); odd || reflect.ValueOf(want).Elem().FieldByName("Sealed").IsValid() && strings.Contains(string(stored), `"Sealed":null`) || strings.Contains(string(stored), `"Versions":null`) {
				continue // an escape that quick leaves to Decode; a key without its secret, a policy without versions
			}
			t.Fatalf("quick gives up on %s", stored)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s\n%s", stored, diff)
		}
	}
}

// Users, roles, policies and keys with any of their fields set are read quickly, and as Decode reads them.
func TestQuickIsDecode(t *testing.T) {
	f := filler{rand.New(rand.NewPCG(6, 6))}
	t.Run("users", func(t *testing.T) { agree(t, f, (*decoder).quickUser) })
	t.Run("roles", func(t *testing.T) { agree(t, f, (*decoder).quickRole) })
	t.Run("policies", func(t *testing.T) { agree(t, f, (*decoder).quickPolicy) })
	t.Run("keys", func(t *testing.T) { agree(t, f, (*decoder).quickKey) })
}
