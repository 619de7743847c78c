package directory

import (
	"errors"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/policy"
)

// checkDocument reads a document and checks that it may stand where kind says.
func checkDocument(kind policy.Kind, text string) (*policy.Document, error) {
	doc, err := policy.Options{}.ParseAs(kind, []byte(text))
	if err != nil {
		return nil, badDocument(err)
	}
	return doc, nil
}

// badDocument shows the first problem that policy found, as AWS does.
func badDocument(err error) error {
	bad := &fault.Error{Kind: fault.MalformedDocument, Message: "Syntax errors in policy.", Cause: err}
	if first, ok := errors.AsType[*policy.SyntaxError](err); ok && first.Msg != "" {
		bad.Message, bad.Subject = first.Msg, first.Path
	}
	return bad
}

func isAWSManaged(policyID string) bool { return strings.HasPrefix(policyID, entity.AWSManagedPrefix) }
