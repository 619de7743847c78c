package server

import (
	"context"
	"encoding/json"
	"math"
	"net/http"
	"time"

	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/secret"
)

// ServiceRoles is what AWS services may ask for themselves, through the operator, who vouches for them. Errors are fault errors; their
// public message is shown.
type ServiceRoles interface {
	// AssumeRole gives a service credentials of a role that trusts it. Denied where the role's trust policy does not.
	AssumeRole(ctx context.Context, in ServiceRequest) (ServiceCredentials, error)
	// The account is the installation's first where none is named. InstanceProfile finds an instance profile by name, or the first one that holds a role. Where a role is asked for that is in no
	// profile, the members of the profile are empty.
	InstanceProfile(ctx context.Context, account, name, role string) (InstanceProfile, error)
}

// ServiceRequest asks for credentials of a role for a service principal.
type ServiceRequest struct {
	Service     string // "ec2.amazonaws.com"
	RoleARN     string
	SessionName string
	Duration    time.Duration // whole seconds; zero means an hour
	SourceARN   string        // the resource that the service works for: aws:SourceArn; may be empty
}

// ServiceCredentials are credentials of a role session.
type ServiceCredentials struct {
	AccessKeyID     string
	SecretAccessKey secret.Text
	SessionToken    secret.Text
	Expiration      time.Time
	ARN, UserID     string // of the session
}

// InstanceProfile says what an instance profile holds. RoleARN and RoleName are empty where it holds nothing.
type InstanceProfile struct {
	ARN      string `json:"InstanceProfileArn"`
	ID       string `json:"InstanceProfileId"`
	RoleARN  string `json:"RoleArn"`
	RoleName string
}

func (s *Server) serviceCredentials(w http.ResponseWriter, r *http.Request) {
	var in ServiceRequest
	fields := map[string]*string{"Service": &in.Service, "RoleArn": &in.RoleARN, "SessionName": &in.SessionName, "SourceArn": &in.SourceARN}
	timed := false
	err := decodeMembers(w, r, func(name string, value json.Token) (known bool, err error) {
		if name == "DurationSeconds" && !timed {
			seconds, ok := value.(float64)
			if timed = true; !ok || seconds != math.Trunc(seconds) || seconds < 1 || seconds > 1e6 {
				return true, fault.New(fault.Invalid, "DurationSeconds must be a whole number of seconds.")
			}
			in.Duration = time.Duration(seconds) * time.Second
			return true, nil
		}
		field, ok := fields[name]
		if !ok {
			return false, nil
		}
		delete(fields, name)
		if *field, ok = value.(string); !ok {
			return true, fault.New(fault.Invalid, "The member %q must be a string.", name)
		}
		return true, nil
	})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	c, err := s.cfg.Operator.ServiceRoles.AssumeRole(r.Context(), in)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	answer(w, struct {
		AccessKeyID     string `json:"AccessKeyId"`
		SecretAccessKey string
		SessionToken    string
		Expiration      string
		ARN             string `json:"Arn"`
		UserID          string `json:"UserId"`
	}{c.AccessKeyID, c.SecretAccessKey.Reveal(), c.SessionToken.Reveal(), c.Expiration.UTC().Format(time.RFC3339), c.ARN, c.UserID})
}

func (s *Server) instanceProfile(w http.ResponseWriter, r *http.Request) {
	var account, name, role string
	if err := decodeQuery(r, map[string]*string{"account": &account, "name": &name, "role": &role}, nil, 0); err != nil {
		s.fail(w, r, err)
		return
	}
	if (name == "") == (role == "") {
		s.fail(w, r, fault.New(fault.Invalid, "Give either name or role."))
		return
	}
	p, err := s.cfg.Operator.ServiceRoles.InstanceProfile(r.Context(), account, name, role)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	answer(w, p)
}
