package server

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/ostiary-iam/ostiary/internal/fault"
)

// STSRegions shows and sets in which regions STS gives credentials for an account. Errors are fault errors; their public message is
// shown.
type STSRegions interface {
	// STSRegions returns all regions, in the order of their names.
	STSRegions(ctx context.Context, account string) ([]STSRegion, error)
	// SetSTSRegion activates or deactivates one.
	SetSTSRegion(ctx context.Context, account, region string, active bool) (STSRegion, error)
}

// STSRegion is whether STS is active in a region for an account.
type STSRegion struct {
	Region string
	Active bool
	Fixed  bool // it cannot be deactivated
}

func (s *Server) listSTSRegions(w http.ResponseWriter, r *http.Request) {
	all, err := s.cfg.Operator.Regions.STSRegions(r.Context(), r.PathValue("account"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	answer(w, struct{ Regions []STSRegion }{all})
}

func (s *Server) setSTSRegion(w http.ResponseWriter, r *http.Request) {
	active, given := false, false
	err := decodeMembers(w, r, func(name string, value json.Token) (known bool, err error) {
		if given || name != "Active" {
			return false, nil
		}
		if active, given = value.(bool); !given {
			return true, fault.New(fault.Invalid, "The member %q must be true or false.", name)
		}
		return true, nil
	})
	if err == nil && !given {
		err = fault.New(fault.Invalid, `The request body is not {"Active": true or false}.`)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	region, err := s.cfg.Operator.Regions.SetSTSRegion(r.Context(), r.PathValue("account"), r.PathValue("region"), active)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	answer(w, region)
}
