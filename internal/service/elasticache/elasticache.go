// Package elasticache is the ElastiCache API: a method for every operation, its permission row, and what is known of ElastiCache's
// resources.
//
// A method is short: it reads from the inventory's view or writes verbs of the inventory through gate.Commit, and turns records into
// the wire's shapes. Rules about resources are the inventory's; whether the caller may do it was decided before the method runs, from the
// row of the operation (the maps called …Rows, one for each file). Texts of errors are AWS's where they are known.
package elasticache

import (
	"maps"

	"github.com/ostiary-iam/ostiary/internal/directory"
	"github.com/ostiary-iam/ostiary/internal/elasticache/inventory"
	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/gate"
	shape "github.com/ostiary-iam/ostiary/internal/wire/shape/elasticache"
)

// Config is what the service needs.
type Config struct {
	Directory *directory.Directory
	Inventory *inventory.Follower
}

// service has the operations as methods.
type service struct {
	dir       *directory.Directory
	inventory *inventory.Follower
}

// New returns the service, for the gate.
func New(c Config) *gate.Service {
	s := &service{dir: c.Directory, inventory: c.Inventory}
	return &gate.Service{
		API: shape.API, Handlers: shape.Bind[*gate.Call](s), Rows: s.rows(), Resource: resources{c.Inventory}, View: c.Inventory,
		Source: "elasticache.amazonaws.com", Code: code,
		Codes: gate.Codes{
			fault.Invalid:       {Code: "InvalidParameterValue", Status: 400},
			fault.InvalidInput:  {Code: "InvalidParameterValue", Status: 400},
			fault.MarkerInvalid: {Code: "InvalidParameterValue", Status: 400},
			fault.Internal:      {Code: "InternalFailure", Status: 500},
		},
	}
}

// rows joins the permission rows of all files.
func (s *service) rows() map[string]gate.Row {
	all := make(map[string]gate.Row)
	for _, some := range []map[string]gate.Row{subnetGroupRows, securityGroupRows, parameterGroupRows, engineVersionRows, reservationRows, userRows, userGroupRows, tagRows} {
		maps.Copy(all, some)
	}
	return all
}

// view is the newest state of the inventory. A method asks once.
func (s *service) view() *inventory.View { return s.inventory.Current() }
