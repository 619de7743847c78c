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
	doc, err := policy.Parse([]byte(text))
	if err == nil {
		err = doc.Check(kind)
	}
	if err == nil {
		return doc, nil
	}
	bad := &fault.Error{Kind: fault.MalformedDocument, Message: "Syntax errors in policy.", Cause: err}
	if first, ok := errors.AsType[*policy.SyntaxError](err); ok && first.Msg != "" {
		bad.Message, bad.Subject = first.Msg, first.Path
	}
	return nil, bad
}

func isAWSManaged(policyID string) bool { return strings.HasPrefix(policyID, entity.AWSManagedPrefix) }
