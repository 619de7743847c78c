package ostiarytest

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/ostiary-iam/ostiary/internal/trail"
)

// Event is one call as the server recorded it.
type Event struct {
	Time      time.Time
	Source    string // iam.amazonaws.com
	Name      string // CreateUser
	Region    string
	ReadOnly  bool
	ErrorCode string // as CloudTrail writes it, such as AccessDenied or NoSuchEntityException; empty for a call that succeeded
	Error     string // what the caller was told

	PrincipalType string // Root, IAMUser, AssumedRole …
	PrincipalARN  string
	AccessKeyID   string

	// Parameters and Response are the request and what was answered, with secrets removed; nil where there is none.
	Parameters, Response json.RawMessage
	// Record is the whole record, in CloudTrail's form.
	Record json.RawMessage
}

// Events returns the account's events, oldest first: every call that has been answered is there. The empty account ID means
// all accounts. Calls that could not be authenticated have none, since nobody is known to whom they would belong.
func (s *Server) Events(t testing.TB, accountID string) []Event {
	t.Helper()
	recorded, err := s.node.Events(t.Context(), accountID)
	if err != nil {
		t.Fatal(err)
	}
	events := make([]Event, len(recorded))
	for i, e := range recorded {
		events[i] = public(e)
	}
	return events
}

func public(e *trail.Event) Event {
	return Event{
		Time: e.Time, Source: e.Source, Name: e.Name, Region: e.Region, ReadOnly: e.ReadOnly,
		ErrorCode: e.ErrorCode, Error: e.ErrorMessage,
		PrincipalType: e.Identity.Type, PrincipalARN: e.Identity.ARN, AccessKeyID: e.Identity.AccessKeyID,
		Parameters: e.RequestParameters, Response: e.ResponseElements, Record: e.Append(nil),
	}
}
