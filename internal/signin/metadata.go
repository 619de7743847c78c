package signin

import (
	"bytes"
	"encoding/xml"
	"net/http"
	"strconv"
)

// samlEndpoint is AWS's sign-in, which every assertion may be made for.
const samlEndpoint = "https://signin.aws.amazon.com/saml"

// metadata is the service provider's metadata (S2-172): the entity urn:amazon:webservices, the places where assertions are received
// (the operator's own first, which is the default, and AWS's), and the attributes that are read.
func metadata(own []string) []byte {
	var b bytes.Buffer
	b.WriteString(xml.Header + `<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="urn:amazon:webservices">` +
		`<md:SPSSODescriptor WantAssertionsSigned="true" protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">`)
	for i, url := range append(append([]string(nil), own...), samlEndpoint) {
		b.WriteString(`<md:AssertionConsumerService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" index="` + strconv.Itoa(i) + `" isDefault="` +
			strconv.FormatBool(i == 0) + `" Location="`)
		_ = xml.EscapeText(&b, []byte(url)) // a buffer takes everything
		b.WriteString(`"/>`)
	}
	b.WriteString(`<md:AttributeConsumingService index="0"><md:ServiceName xml:lang="en">Ostiary console</md:ServiceName>`)
	for _, name := range []string{"Role", "RoleSessionName"} {
		b.WriteString(`<md:RequestedAttribute FriendlyName="` + name + `" Name="https://aws.amazon.com/SAML/Attributes/` + name +
			`" NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:uri" isRequired="true"/>`)
	}
	b.WriteString("</md:AttributeConsumingService></md:SPSSODescriptor></md:EntityDescriptor>\n")
	return b.Bytes()
}

func (h *Handler) serveMetadata(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/samlmetadata+xml")
	_, _ = w.Write(h.metadata) // a client that went away cannot be told
}
