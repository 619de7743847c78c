package server

import (
	"context"
	"net/http"
)

// Templates registers the policies that an account may ask other accounts to delegate to it. Errors are fault errors; their public
// message is shown.
type Templates interface {
	// Templates returns an account's templates, in the order of their names.
	Templates(ctx context.Context, account string) ([]Template, error)
	// PutTemplate registers a template, in place of one of the same name.
	PutTemplate(ctx context.Context, account, name, policy string) (Template, error)
	// DeleteTemplate takes a template away.
	DeleteTemplate(ctx context.Context, account, name string) error
}

// Template is a registered policy with placeholders of the form @{name}.
type Template struct {
	Name   string
	ARN    string `json:"Arn"` // what CreateDelegationRequest takes as PolicyTemplateArn
	Policy string
}

func (s *Server) listTemplates(w http.ResponseWriter, r *http.Request) {
	all, err := s.cfg.Operator.Templates.Templates(r.Context(), r.PathValue("account"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if all == nil {
		all = []Template{}
	}
	answer(w, struct{ Templates []Template }{all})
}

func (s *Server) putTemplate(w http.ResponseWriter, r *http.Request) {
	var policy string
	if err := decodeBody(w, r, map[string]*string{"Policy": &policy}); err != nil {
		s.fail(w, r, err)
		return
	}
	t, err := s.cfg.Operator.Templates.PutTemplate(r.Context(), r.PathValue("account"), r.PathValue("name"), policy)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	answer(w, t)
}

func (s *Server) deleteTemplate(w http.ResponseWriter, r *http.Request) {
	if err := s.cfg.Operator.Templates.DeleteTemplate(r.Context(), r.PathValue("account"), r.PathValue("name")); err != nil {
		s.fail(w, r, err)
		return
	}
	answer(w, struct{ Name string }{r.PathValue("name")})
}
