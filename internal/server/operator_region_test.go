package server_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/internal/server"
)

// stsRegions remembers what it was asked for.
type stsRegions struct{ asked []string }

func (*stsRegions) STSRegions(_ context.Context, account string) ([]server.STSRegion, error) {
	if account != "111122223333" {
		return nil, fault.New(fault.NotFound, "The account %s cannot be found.", account)
	}
	return []server.STSRegion{{Region: "eu-west-1"}, {Region: "us-east-1", Active: true, Fixed: true}}, nil
}

func (s *stsRegions) SetSTSRegion(_ context.Context, account, region string, active bool) (server.STSRegion, error) {
	s.asked = append(s.asked, fmt.Sprint(account, " ", region, " ", active))
	return server.STSRegion{Region: region, Active: active}, nil
}

func TestOperatorSTSRegions(t *testing.T) {
	asked := new(stsRegions)
	h := server.New(server.Config{API: http.NotFoundHandler(), Operator: server.Operator{
		TokenHash: func() ([32]byte, bool) { return server.HashToken(secret.New(token)), true }, Regions: asked,
	}}).Handler()
	const one = "/_ostiary/v1/accounts/111122223333/sts-regions/eu-west-1"
	for _, c := range []struct {
		method, path, body string
		status             int
		answer             string
	}{
		{"GET", "/_ostiary/v1/accounts/111122223333/sts-regions", "", 200, `{"Regions":[{"Region":"eu-west-1","Active":false,"Fixed":false},{"Region":"us-east-1","Active":true,"Fixed":true}]}`},
		{"GET", "/_ostiary/v1/accounts/1/sts-regions", "", 404, `{"Error":"The account 1 cannot be found."}`},
		{"PUT", one, `{"Active": true}`, 200, `{"Region":"eu-west-1","Active":true,"Fixed":false}`},
		{"PUT", one, `{"Active":false}`, 200, `{"Region":"eu-west-1","Active":false,"Fixed":false}`},
	} {
		w := ask(h, c.method, c.path, c.body, "Authorization", "Bearer "+token)
		if w.Code != c.status || strings.TrimSpace(w.Body.String()) != c.answer {
			t.Errorf("%s %s: %d %s", c.method, c.path, w.Code, w.Body)
		}
	}
	for _, body := range []string{"", "{}", "true", `{"active":true}`, `{"Active":1}`, `{"Active":"true"}`, `{"Active":null}`, `{"Active":true,"Active":true}`, `{"Active":true}x`, `{"Active":true,"x":1}`} {
		if w := ask(h, "PUT", one, body, "Authorization", "Bearer "+token); w.Code != http.StatusBadRequest {
			t.Errorf("%s: %d %s", body, w.Code, w.Body)
		}
	}
	if w := ask(h, "PUT", one, `{"Active":true}`); w.Code != http.StatusUnauthorized {
		t.Errorf("without a token: %d", w.Code)
	}
	if got := strings.Join(asked.asked, ", "); got != "111122223333 eu-west-1 true, 111122223333 eu-west-1 false" {
		t.Errorf("asked %s", got)
	}
}
