package policy_test

import (
	"bytes"
	"testing"

	"github.com/ostiary-iam/ostiary/policy"
)

func parse(t *testing.T, src string) *policy.Document {
	t.Helper()
	d, err := policy.Parse([]byte(src))
	if err != nil {
		t.Fatalf("%s: %s", src, all(err))
	}
	return d
}

func TestFormat(t *testing.T) {
	src := `{"Statement":{"Resource":["*"],"Condition":{"Bool":{"a:b":true},"StringLike":{"c:d":["x","\u00e9\t<"],"e:f":[]}},"NotAction":["s3:*","a:b"],
		"Principal":{"Service":["x.y"],"AWS":["111122223333","*"]},"Effect":"Deny"},"Id":"i","Version":"2012-10-17"}`
	want := `{
  "Version": "2012-10-17",
  "Id": "i",
  "Statement": [
    {
      "Effect": "Deny",
      "Principal": {
        "Service": "x.y",
        "AWS": [
          "111122223333",
          "*"
        ]
      },
      "NotAction": [
        "s3:*",
        "a:b"
      ],
      "Resource": "*",
      "Condition": {
        "Bool": {
          "a:b": true
        },
        "StringLike": {
          "c:d": [
            "x",
            "é\u0009<"
          ],
          "e:f": []
        }
      }
    }
  ]
}
`
	d := parse(t, src)
	if got := string(d.Format()); got != want {
		t.Errorf("got\n%s", got)
	}
	printed, err := d.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range [][]byte{printed, d.Format()} {
		if again := parse(t, string(text)); !again.Equal(d) || !bytes.Equal(again.Format(), d.Format()) {
			t.Errorf("%s is read as something else", text)
		}
	}
}

// TestNormal holds what counts as the same document, and that the normal form decides nothing otherwise than the document.
func TestNormal(t *testing.T) {
	same := [][]string{
		{`{"Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"},{"Effect":"Deny","Action":"a:b","Resource":["arn:aws:s3:::x","arn:aws:s3:::y"]}]}`,
			`{"Version":"2008-10-17","Statement":[{"Resource":["arn:aws:s3:::y","arn:aws:s3:::x","arn:aws:s3:::y"],"Action":["A:B"],"Effect":"Deny"},` +
				`{"Effect":"Allow","Action":["S3:getobject"],"Resource":["*"]},{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}]}`},
		{`{"Statement":{"Effect":"Deny","Principal":"*","Action":"*:*"}}`, `{"Statement":[{"Effect":"Deny","Principal":{"AWS":["*"]},"Action":"*"}]}`},
		{`{"Statement":{"Effect":"Deny","NotPrincipal":{"AWS":["arn:aws:iam::111122223333:root"],"Service":"a.b"},"Action":"*"}}`,
			`{"Statement":{"Effect":"Deny","NotPrincipal":{"Service":["a.b"],"AWS":["111122223333"]},"Action":"*"}}`},
		{`{"Statement":{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"Bool":{"A:b":true},"NumericEquals":{"x":[1,"2"],"y":"3"},"ArnEquals":{"z":"*"},"q":{}}}}`,
			`{"Statement":{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"ArnLike":{"z":["*"]},"NumericEquals":{"Y":3,"X":["2","1"]},"Bool":{"a:B":"True"}}}}`},
		{`{"Statement":{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"ForAnyValue:ArnNotEqualsIfExists":{"z":"*"},"ArnLike":{"z":"a"},"ArnEquals":{"z":"b"}}}}`,
			`{"Statement":{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"ArnEquals":{"z":"b"},"ArnLike":{"z":"a"},"ForAnyValue:ArnNotLikeIfExists":{"z":"*"}}}}`},
	}
	differ := []string{
		`{"Statement":{"Effect":"Deny","Action":"a:b","Resource":"*"}}`,
		`{"Statement":{"Effect":"Allow","Action":"a:b","Resource":"*"}}`,
		`{"Statement":{"Effect":"Deny","NotAction":"a:b","Resource":"*"}}`,
		`{"Statement":{"Effect":"Deny","Action":"a:b","NotResource":"*"}}`,
		`{"Statement":{"Effect":"Deny","Action":"a:b","Resource":"arn:aws:s3:::B"}}`,
		`{"Statement":{"Effect":"Deny","Action":"a:b","Resource":"arn:aws:s3:::b"}}`,
		`{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"a:b","Resource":"*"}}`,
		`{"Statement":{"Sid":"x","Effect":"Deny","Action":"a:b","Resource":"*"}}`,
		`{"Id":"x","Statement":{"Effect":"Deny","Action":"a:b","Resource":"*"}}`,
		`{"Statement":{"Effect":"Deny","Action":"a:b","Resource":"*","Condition":{"Null":{"x":"true"}}}}`,
		`{"Statement":{"Effect":"Deny","Action":"a:b","Resource":"*","Condition":{"StringEquals":{"x":"a"}}}}`,
		`{"Statement":{"Effect":"Deny","Action":"a:b","Resource":"*","Condition":{"StringEquals":{"x":"A"}}}}`,
		`{"Statement":{"Effect":"Deny","Action":"a:b","Resource":"*","Condition":{"StringEquals":{"x":[]}}}}`,
		`{"Statement":{"Effect":"Deny","Action":"a:b","Resource":"*","Principal":"*"}}`,
		`{"Statement":{"Effect":"Deny","Action":"a:b","Resource":"*","Principal":{"AWS":"arn:aws-cn:iam::111122223333:root"}}}`,
		`{"Statement":{"Effect":"Deny","Action":"a:b","Resource":"*","Principal":{"AWS":"111122223333"}}}`,
	}
	for _, pair := range same {
		a, b := parse(t, pair[0]), parse(t, pair[1])
		if !a.Equivalent(b) || !b.Equivalent(a) {
			x, _ := a.Normal().MarshalJSON()
			y, _ := b.Normal().MarshalJSON()
			t.Errorf("not the same:\n%s\n%s", x, y)
		}
		if a.Equal(b) {
			t.Errorf("the pair shows nothing: %s", pair[0])
		}
		if before, _ := a.MarshalJSON(); !bytes.Equal(before, mustMarshal(t, parse(t, pair[0]))) {
			t.Errorf("Normal changed the document: %s", before)
		}
		if n := a.Normal(); !n.Equal(n.Normal()) {
			t.Errorf("the normal form of the normal form of %s is another", pair[0])
		}
	}
	for i, a := range differ {
		for _, b := range differ[i+1:] {
			if parse(t, a).Equivalent(parse(t, b)) {
				t.Errorf("taken for the same:\n%s\n%s", a, b)
			}
		}
	}
}

func mustMarshal(t *testing.T, d *policy.Document) []byte {
	t.Helper()
	out, err := d.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// FuzzFormat holds that both printed forms are read as the same document, that formatting twice changes nothing, and that the normal
// form is one.
func FuzzFormat(f *testing.F) {
	f.Add([]byte(`{"Version":"2012-10-17","Id":"x","Statement":[{"Sid":"S","Effect":"Allow","Principal":{"AWS":["*"]},"NotAction":[],"Resource":[],` +
		`"Condition":{"ArnEquals":{"aws:a":["*",1,true],"AWS:B":[]},"ArnLike":{"aws:a":"x"},"x":{}}}]}`))
	f.Add([]byte(`{"Statement":{"Effect":"Deny","NotPrincipal":"*","NotAction":"*","NotResource":"arn:aws:s3:::${*}"}}`))
	f.Fuzz(func(t *testing.T, src []byte) {
		d, err := policy.Parse(src)
		if err != nil {
			return
		}
		compact, err := d.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range [][]byte{compact, d.Format()} {
			again, err := policy.Parse(text)
			if err != nil || !again.Equal(d) {
				t.Fatalf("%q is printed as %q: %s", src, text, all(err))
			}
			if !bytes.Equal(again.Format(), d.Format()) {
				t.Errorf("%q is formatted as %q and then as %q", src, d.Format(), again.Format())
			}
			if !again.Equivalent(d) {
				t.Errorf("%q: the normal forms of %q differ", src, text)
			}
		}
		n := d.Normal()
		if !n.Normal().Equal(n) {
			t.Errorf("%q: the normal form has another normal form", src)
		}
		if again, err := policy.Parse(mustMarshal(t, n)); err != nil || !again.Equal(n) {
			t.Errorf("%q: the normal form is printed as %q: %v", src, mustMarshal(t, n), err)
		}
	})
}
