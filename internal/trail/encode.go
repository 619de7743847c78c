package trail

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// Largest contents of fields (CloudTrail user guide, "Record contents"). Text past its limit is cut; an object past its limit
// is replaced by {"omitted":true}.
const (
	maxText       = 1 << 10   // errorMessage, userAgent, requestID
	maxObject     = 100 << 10 // requestParameters, responseElements
	maxAdditional = 28 << 10
)

const omitted = `{"omitted":true}`

// Append appends the record in CloudTrail's form, on one line, without a line end.
func (e *Event) Append(dst []byte) []byte {
	dst = append(dst, `{"eventVersion":"`+Version+`","userIdentity":`...)
	dst = e.Identity.appendJSON(dst)
	dst = append(dst, `,"eventTime":`...)
	dst = appendTime(dst, e.Time)
	dst = appendMember(dst, `,"eventSource":`, e.Source)
	dst = appendMember(dst, `,"eventName":`, e.Name)
	dst = appendMember(dst, `,"awsRegion":`, e.Region)
	dst = appendMember(dst, `,"sourceIPAddress":`, e.SourceIP)
	dst = appendMember(dst, `,"userAgent":`, cut(e.UserAgent))
	dst = appendOptional(dst, `,"errorCode":`, e.ErrorCode)
	dst = appendOptional(dst, `,"errorMessage":`, cut(e.ErrorMessage))
	dst = append(dst, `,"requestParameters":`...)
	dst = appendObject(dst, e.RequestParameters, maxObject)
	dst = append(dst, `,"responseElements":`...)
	dst = appendObject(dst, e.ResponseElements, maxObject)
	dst = e.Additional.appendJSON(dst)
	dst = appendMember(dst, `,"requestID":`, cut(e.RequestID))
	dst = appendMember(dst, `,"eventID":`, e.ID)
	dst = append(dst, `,"readOnly":`...)
	dst = strconv.AppendBool(dst, e.ReadOnly)
	dst = appendResources(dst, e.Resources)
	kind := e.Type
	if kind == "" {
		kind = TypeAPICall
	}
	dst = appendMember(dst, `,"eventType":`, kind)
	dst = append(dst, `,"managementEvent":true`...)
	dst = appendOptional(dst, `,"recipientAccountId":`, e.Recipient)
	dst = appendOptional(dst, `,"sharedEventID":`, e.SharedID)
	dst = append(dst, `,"eventCategory":"Management"`...)
	if t := e.TLS; t != nil {
		dst = appendMember(dst, `,"tlsDetails":{"tlsVersion":`, t.Version)
		dst = appendMember(dst, `,"cipherSuite":`, t.CipherSuite)
		dst = appendOptional(dst, `,"clientProvidedHostHeader":`, cut(t.ClientHost))
		dst = append(dst, '}')
	}
	if e.FromConsole {
		dst = appendMember(dst, `,"sessionCredentialFromConsole":`, "true")
	}
	return append(dst, '}')
}

func (i *Identity) appendJSON(dst []byte) []byte {
	dst = appendMember(dst, `{"type":`, i.Type)
	dst = appendOptional(dst, `,"principalId":`, i.PrincipalID)
	dst = appendOptional(dst, `,"arn":`, i.ARN)
	dst = appendOptional(dst, `,"accountId":`, i.AccountID)
	dst = appendOptional(dst, `,"accessKeyId":`, i.AccessKeyID)
	dst = appendOptional(dst, `,"userName":`, i.UserName)
	if s := i.Session; s != nil {
		dst = s.appendJSON(append(dst, `,"sessionContext":{`...))
		dst = append(dst, '}')
	}
	dst = appendOptional(dst, `,"invokedBy":`, i.InvokedBy)
	if i.Delegate != "" {
		dst = append(appendMember(dst, `,"invokedByDelegate":{"accountId":`, i.Delegate), '}')
	}
	dst = appendOptional(dst, `,"identityProvider":`, i.IdentityProvider)
	return append(dst, '}')
}

func (s *SessionContext) appendJSON(dst []byte) []byte {
	if is := s.Issuer; is != nil {
		dst = appendMember(dst, `"sessionIssuer":{"type":`, is.Type)
		dst = appendOptional(dst, `,"principalId":`, is.PrincipalID)
		dst = appendOptional(dst, `,"arn":`, is.ARN)
		dst = appendOptional(dst, `,"accountId":`, is.AccountID)
		dst = appendOptional(dst, `,"userName":`, is.UserName)
		dst = append(dst, "},"...)
	}
	if w := s.WebIdentity; w != nil {
		dst = appendMember(dst, `"webIdFederationData":{"federatedProvider":`, w.FederatedProvider)
		dst = append(dst, `,"attributes":{`...)
		for n, name := range slices.Sorted(maps.Keys(w.Attributes)) {
			if n > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendString(dst, name), ':')
			dst = appendString(dst, w.Attributes[name])
		}
		dst = append(dst, "}},"...)
	}
	dst = append(dst, `"attributes":{"creationDate":`...)
	dst = appendTime(dst, s.Attributes.CreationDate)
	dst = appendMember(dst, `,"mfaAuthenticated":`, strconv.FormatBool(s.Attributes.MFAAuthenticated))
	dst = append(dst, '}')
	if s.AssumedRoot {
		dst = appendMember(dst, `,"assumedRoot":`, "true")
	}
	return appendOptional(dst, `,"sourceIdentity":`, s.SourceIdentity)
}

// appendJSON appends the member with its comma, or nothing where there is nothing to say.
func (a *Additional) appendJSON(dst []byte) []byte {
	if a.Decision == nil && len(a.Members) == 0 {
		return dst
	}
	dst = append(dst, `,"additionalEventData":{`...)
	begin, left := len(dst), false
	for _, m := range a.Members {
		if len(dst)-begin+len(m.Name)+len(m.Value) > maxAdditional {
			left = true
			continue
		}
		if len(dst) > begin {
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, m.Name), ':')
		dst = appendObject(dst, m.Value, maxAdditional)
	}
	if left {
		if len(dst) > begin {
			dst = append(dst, ',')
		}
		dst = append(dst, `"omitted":true`...)
	}
	if d := a.Decision; d != nil {
		if len(dst) > begin {
			dst = append(dst, ',')
		}
		dst = appendMember(dst, `"`+decisionMember+`":{"effect":`, d.Effect)
		dst = appendMember(dst, `,"layer":`, d.Layer)
		if d.Policy != "" {
			dst = appendMember(dst, `,"policy":`, d.Policy)
			dst = append(dst, `,"statement":`...)
			dst = strconv.AppendInt(dst, int64(d.Statement), 10)
			dst = appendOptional(dst, `,"sid":`, d.Sid)
		}
		dst = append(dst, `,"revision":`...)
		dst = strconv.AppendInt(dst, d.Revision, 10)
		dst = append(dst, '}')
	}
	return append(dst, '}')
}

func appendResources(dst []byte, rs []Resource) []byte {
	if len(rs) == 0 {
		return dst
	}
	dst = append(dst, `,"resources":[`...)
	for i, r := range rs {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '{')
		begin := len(dst)
		if r.AccountID != "" {
			dst = append(appendMember(dst, `"accountId":`, r.AccountID), ',')
		}
		if r.Type != "" {
			dst = append(appendMember(dst, `"type":`, r.Type), ',')
		}
		if r.ARN != "" {
			dst = append(appendMember(dst, `"ARN":`, r.ARN), ',')
		}
		if len(dst) > begin {
			dst = dst[:len(dst)-1]
		}
		dst = append(dst, '}')
	}
	return append(dst, ']')
}

// appendObject copies JSON, making sure that it stays on one line: a line end in valid JSON can only be white space.
func appendObject(dst []byte, raw json.RawMessage, limit int) []byte {
	switch {
	case len(raw) == 0:
		return append(dst, "null"...)
	case len(raw) > limit:
		return append(dst, omitted...)
	}
	begin := len(dst)
	dst = append(dst, raw...)
	oneLine(dst[begin:])
	return dst
}

// oneLine puts a space in the place of every line end.
func oneLine(b []byte) {
	for i, c := range b {
		if c == '\n' || c == '\r' {
			b[i] = ' '
		}
	}
}

func appendMember(dst []byte, prefix, value string) []byte {
	return appendString(append(dst, prefix...), value)
}

func appendOptional(dst []byte, prefix, value string) []byte {
	if value == "" {
		return dst
	}
	return appendString(append(dst, prefix...), value)
}

func appendTime(dst []byte, t time.Time) []byte {
	dst = append(dst, '"')
	dst = t.UTC().AppendFormat(dst, "2006-01-02T15:04:05Z")
	return append(dst, '"')
}

const hexDigits = "0123456789abcdef"

// appendString appends s as a JSON string. Bytes that are not UTF-8 become U+FFFD.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				dst = append(append(dst, s[from:i]...), "\uFFFD"...)
				from = i + 1
			}
			i += n
			continue
		}
		if c >= 0x20 && c != '"' && c != '\\' && c != 0x7f {
			i++
			continue
		}
		dst = append(dst, s[from:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\t':
			dst = append(dst, `\t`...)
		default:
			dst = append(dst, `\u00`...)
			dst = append(dst, hexDigits[c>>4], hexDigits[c&15])
		}
		i++
		from = i
	}
	return append(append(dst, s[from:]...), '"')
}

// cut shortens text to CloudTrail's limit without breaking a character.
func cut(s string) string {
	if len(s) <= maxText {
		return s
	}
	n := maxText
	for n > maxText-utf8.UTFMax && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
