package saml

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/beevik/etree"
	validator "github.com/mattermost/xml-roundtrip-validator"
)

// Namespaces of the vocabularies that are read.
const (
	nsMetadata   = "urn:oasis:names:tc:SAML:2.0:metadata"
	nsProtocol   = "urn:oasis:names:tc:SAML:2.0:protocol"
	nsAssertion  = "urn:oasis:names:tc:SAML:2.0:assertion"
	nsSignature  = "http://www.w3.org/2000/09/xmldsig#"
	nsEncryption = "http://www.w3.org/2001/04/xmlenc#"
	nsEnc11      = "http://www.w3.org/2009/xmlenc11#"
)

// maxDepth is how deep elements may nest. Documents of identity providers stay below 20.
const maxDepth = 64

// parse reads an XML document more strictly than any XML parser would: no more bytes than limit, UTF-8 without byte order
// mark, no DTD and so no entities but XML's own five, no processing instructions but the XML declaration, no attribute
// twice, no ID that hides behind a prefix, nothing that encoding/xml would not write as it read it, and one root element.
func parse(text []byte, limit int) (*etree.Element, error) {
	switch {
	case len(text) > limit:
		return nil, fmt.Errorf("saml: the document is longer than %d bytes", limit)
	case !utf8.Valid(text):
		return nil, errors.New("saml: the document is not UTF-8")
	case bytes.HasPrefix(text, []byte("\xEF\xBB\xBF")):
		return nil, errors.New("saml: the document begins with a byte order mark")
	}
	if err := scan(text); err != nil {
		return nil, err
	}
	if err := validator.Validate(bytes.NewReader(text)); err != nil {
		return nil, fmt.Errorf("saml: the document does not survive a round trip: %w", err)
	}
	doc := etree.NewDocument()
	doc.ReadSettings.MaxDepth = maxDepth
	if err := doc.ReadFromBytes(text); err != nil {
		return nil, fmt.Errorf("saml: reading XML: %w", err)
	}
	root := doc.Root()
	if root == nil {
		return nil, errors.New("saml: the document has no element")
	}
	return root, nil
}

// scan walks the tokens of a document and refuses what no identity provider needs.
func scan(text []byte) error {
	dec := xml.NewDecoder(bytes.NewReader(text))
	depth, roots := 0, 0
	for {
		at := dec.InputOffset()
		token, err := dec.RawToken()
		if errors.Is(err, io.EOF) {
			if depth != 0 || roots != 1 {
				return errors.New("saml: the document is not one element")
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("saml: reading XML: %w", err)
		}
		switch t := token.(type) {
		case xml.Directive:
			return errors.New("saml: document type declarations are refused")
		case xml.ProcInst:
			if t.Target != "xml" || at != 0 || !plainDeclaration(string(t.Inst)) {
				return errors.New("saml: processing instructions are refused")
			}
		case xml.StartElement:
			if depth == 0 {
				roots++
			}
			if depth++; depth > maxDepth {
				return errors.New("saml: elements nest too deeply")
			}
			if err := checkAttributes(t.Attr); err != nil {
				return err
			}
		case xml.EndElement:
			if depth--; depth < 0 {
				return errors.New("saml: the document is not one element")
			}
		case xml.CharData:
			if depth == 0 && len(bytes.TrimSpace(t)) > 0 {
				return errors.New("saml: text outside the document's element")
			}
		}
	}
}

// plainDeclaration reports whether an XML declaration says XML 1.0 in UTF-8, or nothing of the encoding.
func plainDeclaration(inst string) bool {
	fields := strings.NewReplacer("'", `"`, " ", "", "\t", "", "\r", "", "\n", "").Replace(strings.ToLower(inst))
	rest, ok := strings.CutPrefix(fields, `version="1.0"`)
	rest = strings.TrimPrefix(rest, `encoding="utf-8"`)
	rest = strings.TrimPrefix(strings.TrimPrefix(rest, `standalone="yes"`), `standalone="no"`)
	return ok && rest == ""
}

func checkAttributes(attrs []xml.Attr) error {
	for i, a := range attrs {
		if a.Name.Space != "" && a.Name.Space != "xmlns" && strings.EqualFold(a.Name.Local, "id") {
			return errors.New("saml: an ID with a prefix") // libraries that look for ID would find it
		}
		for _, b := range attrs[:i] {
			if a.Name == b.Name {
				return fmt.Errorf("saml: the attribute %s twice", a.Name.Local)
			}
		}
	}
	return nil
}

// is reports whether el is the named element.
func is(el *etree.Element, space, name string) bool {
	return el.Tag == name && el.NamespaceURI() == space
}

// children returns the direct children of el with that name.
func children(el *etree.Element, space, name string) (found []*etree.Element) {
	for _, c := range el.ChildElements() {
		if is(c, space, name) {
			found = append(found, c)
		}
	}
	return found
}

// child returns the only direct child of el with that name; nil where there is none, an error where there are several.
func child(el *etree.Element, space, name string) (*etree.Element, error) {
	all := children(el, space, name)
	switch len(all) {
	case 0:
		return nil, nil
	case 1:
		return all[0], nil
	}
	return nil, fmt.Errorf("saml: %d elements %s in %s", len(all), name, el.Tag)
}

// need is child for an element that has to be there.
func need(el *etree.Element, space, name string) (*etree.Element, error) {
	c, err := child(el, space, name)
	if err == nil && c == nil {
		err = fmt.Errorf("saml: no element %s in %s", name, el.Tag)
	}
	return c, err
}

// attr returns an attribute without prefix; ok says whether it is there.
func attr(el *etree.Element, name string) (value string, ok bool) {
	for _, a := range el.Attr {
		if a.Space == "" && a.Key == name {
			return a.Value, true
		}
	}
	return "", false
}

// text is the whole text of an element that has nothing but text, without white space around it. Comments inside it do not
// cut it short: what stands before and after one is joined, as canonical XML does.
func text(el *etree.Element) (string, error) {
	var b strings.Builder
	for _, c := range el.Child {
		switch c := c.(type) {
		case *etree.CharData:
			b.WriteString(c.Data)
		case *etree.Comment:
		default:
			return "", fmt.Errorf("saml: the element %s has more than text", el.Tag)
		}
	}
	return strings.TrimSpace(b.String()), nil
}

// walk calls f for el and everything below it, until f fails.
func walk(el *etree.Element, f func(*etree.Element) error) error {
	if err := f(el); err != nil {
		return err
	}
	for _, c := range el.ChildElements() {
		if err := walk(c, f); err != nil {
			return err
		}
	}
	return nil
}
