// Package saml reads what SAML 2.0 identity providers say: the metadata that describes one, and the responses with which it
// vouches for somebody. It is pure functions of input, keys and time: no clock, no network, no store, and nothing of what the
// answers are used for.
//
// A response is believed only as far as it is signed. [Verify] checks signatures with goxmldsig and then reads every value
// from the bytes that a verified signature covers, parsed again; the document that came in is not looked at any more. What
// is refused before a signature is even looked at:
//
//   - DTDs, processing instructions, documents that are too large or too deep or that encoding/xml would change ([parse]);
//   - more or less than one assertion, one that is not a direct child of the response, an ID that two elements share;
//   - a signature anywhere but directly in the response or the assertion, more than one in either, references to anything
//     but the element around it, transforms but enveloped-signature and exclusive canonicalization, SHA-1, MACs, keys that are
//     not those of the metadata.
//
// The rules are those of the SAML 2.0 web browser profile, of AWS's page "Configure SAML assertions for the authentication
// response", and where these leave a choice, the narrower one.
package saml
