package directory

import (
	"strings"

	"github.com/ostiary-iam/ostiary/internal/entity"
	"github.com/ostiary-iam/ostiary/internal/fault"
)

// Lengths of names and paths (S4-245).
const (
	maxUserName            = 64
	maxGroupName           = 128
	maxRoleName            = 64
	maxPolicyName          = 128
	maxInstanceProfileName = 128
	maxPath                = 512
	maxDescription         = 1000
	serviceLinkedPath      = "/aws-service-role/"
)

// checkName holds a name to [\w+=,.@-]+ and its length (S4-233). parameter is the API's name for it.
func checkName(parameter, name string, maximum int) error {
	if len(name) > maximum {
		return &fault.Error{Kind: fault.Invalid, Subject: parameter,
			Message: "The specified value for " + parameter + " is invalid. It is longer than the maximum length."}
	}
	for i := range len(name) {
		c := name[i]
		if !isAlphanumeric(c) && !strings.ContainsRune("_+=,.@-", rune(c)) {
			name = ""
			break
		}
	}
	if name == "" {
		return &fault.Error{Kind: fault.Invalid, Subject: parameter, Message: "The specified value for " + parameter +
			" is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-"}
	}
	return nil
}

// checkPath returns the path to store; an empty one means the root. A path is / or U+0021 to U+007E between slashes (S4-236,
// S4-M56); that of a policy is held to its narrower pattern by strict.
func checkPath(path string, strict bool) (string, error) {
	if path == "" {
		return "/", nil
	}
	ok := len(path) <= maxPath && path[0] == '/' && path[len(path)-1] == '/'
	for i := range len(path) {
		c := path[i]
		ok = ok && c > ' ' && c < 0x7F
		if strict {
			ok = ok && (isAlphanumeric(c) || strings.ContainsRune("./,+@=_-", rune(c))) && !(i > 0 && c == '/' && path[i-1] == '/')
		}
	}
	if !ok || path == "//" {
		return "", &fault.Error{Kind: fault.Invalid, Subject: "path", Message: "The specified value for path is invalid. " +
			"It must begin and end with / and contain only alphanumeric characters and/or / characters."}
	}
	return path, nil
}

func checkDescription(text string) error {
	if len(text) > maxDescription && len([]rune(text)) > maxDescription {
		return &fault.Error{Kind: fault.Invalid, Subject: "description",
			Message: "The specified value for description is invalid. It is longer than the maximum length."}
	}
	return nil
}

func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// isAccountID reports whether s is twelve digits.
func isAccountID(s string) bool { return len(s) == 12 && isDigits(s) }

// alreadyExists is AWS's sentence for a name that is taken.
func alreadyExists(kind entity.Kind, name string) error {
	e := &fault.Error{Kind: fault.Exists, Subject: name}
	switch kind {
	case entity.KindUser:
		e.Message = "User with name " + name + " already exists."
	case entity.KindGroup:
		e.Message = "Group with name " + name + " already exists."
	case entity.KindRole:
		e.Message = "Role with name " + name + " already exists."
	case entity.KindLoginProfile:
		e.Message = "Login Profile for user " + name + " already exists."
	case entity.KindMFADevice:
		e.Message = "MFADevice entity at the same path and name already exists."
	case entity.KindServerCertificate:
		e.Message = "The Server Certificate with name " + name + " already exists."
	case entity.KindInstanceProfile:
		e.Message = "Instance Profile " + name + " already exists."
	case entity.KindSAMLProvider:
		e.Message = "SAMLProvider with name " + name + " already exists."
	case entity.KindOIDCProvider:
		e.Message = "Provider with url https://" + name + " already exists."
	default:
		e.Message = "A policy called " + name + " already exists. Duplicate names are not allowed."
	}
	return e
}

// notFound is AWS's sentence for a user, group or role that is not there.
func notFound(kind entity.Kind, name string) error {
	return &fault.Error{Kind: fault.NotFound, Subject: name,
		Message: "The " + string(kind) + " with name " + name + " cannot be found."}
}

func deleteConflict(message string) error {
	return &fault.Error{Kind: fault.DeleteConflict, Message: message}
}
