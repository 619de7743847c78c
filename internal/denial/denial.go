// Package denial makes the account of a denied request that an encoded authorization message carries, and reads it back.
//
// Some services answer a denied request with such a message beside the sentence: what decided, and what the request looked like to the
// policies. The one who was denied may not know that, so the message is sealed: only sts:DecodeAuthorizationMessage opens it, for
// callers of the account whose principal was denied and as long as [Life]. The form of a message:
//
//	base64url( sealed )
//
// Sealed is a value of package seal under the purpose Message, with "ostiary authorization message v1" and the account as associated
// data, of the second from which on it is void (eight bytes, most significant first) and the deflated account in AWS's JSON. Nothing
// is stored. A message is at most [MaxMessage] characters, what the API takes: an account that is longer leaves out its matched
// statements, then its condition keys.
package denial

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"io"
	"strings"
	"time"

	"github.com/ostiary-iam/ostiary/internal/authorizer"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/seal"
	"github.com/ostiary-iam/ostiary/policy"
)

const (
	// Life is how long a message can be decoded. AWS's messages expire too ("DecodeAuthorizationMessage", API Reference); after how
	// long is not published.
	Life = 24 * time.Hour
	// MaxMessage is the longest message in characters (the model's encodedMessageType).
	MaxMessage = 10240

	maxAccount = 1 << 20 // bytes of an account
	label      = "ostiary authorization message v1 "
)

// sayInvalid is all that is told of a message that cannot be decoded.
const sayInvalid = "Message is not valid"

var encoding = base64.RawURLEncoding.Strict()

// Account is what a message says: AWS's documented form ("DecodeAuthorizationMessage", API Reference and AWS CLI reference).
type Account struct {
	Allowed           bool            `json:"allowed"`
	ExplicitDeny      bool            `json:"explicitDeny"`
	MatchedStatements list[statement] `json:"matchedStatements"`
	Failures          list[value]     `json:"failures"`
	Context           request         `json:"context"`
}

type list[T any] struct {
	Items []T `json:"items"`
}

type value struct {
	Value string `json:"value"`
}

type statement struct {
	ID              string          `json:"statementId"`
	Effect          string          `json:"effect"`
	Principals      list[value]     `json:"principals"`
	PrincipalGroups list[value]     `json:"principalGroups"`
	Actions         list[value]     `json:"actions"`
	Resources       list[value]     `json:"resources"`
	Conditions      list[condition] `json:"conditions"`
}

type condition struct {
	Key    string      `json:"key"`
	Values list[value] `json:"values"`
}

type request struct {
	Principal  principal       `json:"principal"`
	Action     string          `json:"action"`
	Resource   string          `json:"resource"`
	Conditions list[condition] `json:"conditions"`
}

type principal struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"` // of users
	ARN  string `json:"arn"`
}

// Of makes the account of a denied check from its explanation and the context in which it was decided.
func Of(c *authorizer.Caller, ch *authorizer.Check, x *policy.Explanation, context []authorizer.Key) *Account {
	a := &Account{
		Allowed: x.Decision.Effect == policy.Allow, ExplicitDeny: x.Decision.Explicit,
		MatchedStatements: list[statement]{make([]statement, 0, len(x.Statements))}, Failures: values(nil),
		Context: request{
			Principal: principal{ID: c.Principal.UniqueID, ARN: c.Principal.ARN}, Action: ch.Action, Resource: ch.Resource,
			Conditions: list[condition]{make([]condition, 0, len(context))},
		},
	}
	if c.Principal.Type == policy.User {
		a.Context.Principal.Name = c.Principal.ARN[strings.LastIndexByte(c.Principal.ARN, '/')+1:]
	}
	for _, m := range x.Statements {
		a.MatchedStatements.Items = append(a.MatchedStatements.Items, of(c, &m.Policy.Document().Statements[m.Statement]))
	}
	for _, k := range context {
		a.Context.Conditions.Items = append(a.Context.Conditions.Items, condition{k.Name, values(k.Values)})
	}
	return a
}

// of is a statement as AWS shows it: one of a policy that names nobody has the principal that it is attached to.
func of(c *authorizer.Caller, s *policy.Statement) statement {
	out := statement{
		Effect: "ALLOW", Principals: values([]string{c.EntityID}), PrincipalGroups: values(nil), Actions: texts(s.Actions.Values),
		Resources: texts(s.Resources.Values), Conditions: list[condition]{make([]condition, 0, len(s.Conditions))},
	}
	if s.Effect == policy.Deny {
		out.Effect = "DENY"
	}
	if s.Sid != nil {
		out.ID = s.Sid.Text
	}
	if s.Principals != nil {
		out.Principals = values(nil)
		for _, r := range s.Principals.Refs {
			out.Principals.Items = append(out.Principals.Items, value{r.Value})
		}
	}
	for _, operator := range s.Conditions {
		for _, test := range operator.Tests {
			out.Conditions.Items = append(out.Conditions.Items, condition{test.Key.Text, texts(test.Values)})
		}
	}
	return out
}

func values(all []string) list[value] {
	out := list[value]{make([]value, 0, len(all))}
	for _, v := range all {
		out.Items = append(out.Items, value{v})
	}
	return out
}

func texts(all []policy.Value) list[value] {
	out := list[value]{make([]value, 0, len(all))}
	for _, v := range all {
		out.Items = append(out.Items, value{v.Text})
	}
	return out
}

// Seal makes the message of an account, for callers of the account with that ID. now is the time of the request.
func (a *Account) Seal(ring *seal.Ring, id string, now time.Time) (string, error) {
	short := *a
	for _, leaveOut := range []func(){
		func() {}, func() { short.MatchedStatements.Items = []statement{} }, func() { short.Context.Conditions.Items = []condition{} },
	} {
		leaveOut()
		text, err := json.Marshal(&short)
		if err != nil {
			return "", fault.Wrap(err, "writing an authorization message")
		}
		var packed bytes.Buffer
		packed.Write(binary.BigEndian.AppendUint64(nil, uint64(now.Add(Life).Unix())))
		w, err := flate.NewWriter(&packed, flate.BestSpeed)
		if err != nil {
			return "", fault.Wrap(err, "packing an authorization message")
		}
		_, err = w.Write(text)
		if err == nil {
			err = w.Close()
		}
		if err != nil {
			return "", fault.Wrap(err, "packing an authorization message")
		}
		if encoding.EncodedLen(packed.Len()+seal.Overhead) > MaxMessage {
			continue
		}
		sealed, err := ring.Seal(seal.Message, packed.Bytes(), []byte(label+id))
		if err != nil {
			return "", fault.Wrap(err, "sealing an authorization message")
		}
		return encoding.EncodeToString(sealed), nil
	}
	return "", &fault.Error{Kind: fault.Internal, Subject: "authorization message"} // a resource's name alone is not that long
}

// Open returns the account that a message carries, as JSON, to a caller of the account with that ID. A message that was not made
// here, was changed, belongs to another account or has expired is a fault of kind InvalidMessage with one sentence for all.
func Open(ring *seal.Ring, id, message string, now time.Time) (string, error) {
	// The decoder would skip line breaks even when strict.
	if len(message) > MaxMessage || strings.ContainsAny(message, "\r\n") {
		return "", invalid(nil)
	}
	sealed, err := encoding.DecodeString(message)
	if err != nil {
		return "", invalid(err)
	}
	packed, err := ring.Open(seal.Message, sealed, []byte(label+id))
	if err != nil {
		return "", invalid(err)
	}
	if len(packed) < 8 || now.Unix() >= int64(binary.BigEndian.Uint64(packed)) {
		return "", invalid(nil)
	}
	text, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed[8:])), maxAccount))
	if err != nil || !json.Valid(text) {
		return "", invalid(err)
	}
	return string(text), nil
}

func invalid(cause error) error {
	return &fault.Error{Kind: fault.InvalidMessage, Subject: "EncodedMessage", Message: sayInvalid, Cause: cause}
}
