package fault_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ostiary-iam/ostiary/internal/fault"
)

func TestEveryKindHasAName(t *testing.T) {
	seen := map[string]fault.Kind{}
	for _, k := range fault.Kinds() {
		name := k.String()
		if name == "" || strings.HasPrefix(name, "kind ") {
			t.Errorf("kind %d has no name", uint8(k))
		}
		if other, ok := seen[name]; ok {
			t.Errorf("kinds %d and %d are both called %q", uint8(other), uint8(k), name)
		}
		seen[name] = k
	}
}

func TestKindIsFoundThroughWrapping(t *testing.T) {
	inner := fault.New(fault.NotFound, "The user with name %s cannot be found.", "Bob")
	err := fmt.Errorf("deleting: %w", fault.Wrap(inner, "reading the user"))
	if !errors.Is(err, fault.NotFound) || errors.Is(err, fault.Exists) {
		t.Errorf("errors.Is does not see the kind of %v", err)
	}
	if got := fault.KindOf(err); got != fault.NotFound {
		t.Errorf("KindOf = %v", got)
	}
	if got := fault.MessageOf(err); got != "The user with name Bob cannot be found." {
		t.Errorf("MessageOf = %q", got)
	}
}

func TestWhatIsNoFaultShowsNothing(t *testing.T) {
	for _, err := range []error{
		errors.New("disk sda1 is on fire"),
		&fault.Error{Kind: fault.Internal, Message: "not for callers", Cause: errors.New("cause")},
	} {
		if fault.KindOf(err) != fault.Internal {
			t.Errorf("%v is %v", err, fault.KindOf(err))
		}
		if got := fault.MessageOf(err); got != "" {
			t.Errorf("%v shows %q", err, got)
		}
	}
}

func TestWrapOfNothingIsNothing(t *testing.T) {
	if err := fault.Wrap(nil, "opening"); err != nil {
		t.Errorf("Wrap(nil) = %v", err)
	}
}
