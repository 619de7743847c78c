package acceptance_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestOperatorDelegationTemplates: the operator registers, shows, replaces and removes what an account may ask others to delegate.
func TestOperatorDelegationTemplates(t *testing.T) {
	c, srv := newCloud(t)
	a := c.account(t, srv.OperatorToken)
	path := "accounts/" + a.AccountID + "/delegation-templates"
	call := func(method, path, body string) (int, string) {
		t.Helper()
		status, answer := c.operator(t, method, path, srv.OperatorToken, body)
		return status, strings.TrimSpace(answer)
	}
	arn := "arn:aws:iam::" + a.AccountID + ":delegation-template/setup"
	for _, step := range []struct {
		method, path, body string
		status             int
		answer             string
	}{
		{"GET", path, "", 200, `{"Templates":[]}`},
		{"PUT", path + "/setup", `{"Policy":"{}"}`, 200, `{"Name":"setup","Arn":"` + arn + `","Policy":"{}"}`},
		{"PUT", path + "/setup", `{"Policy":"[]"}`, 200, `{"Name":"setup","Arn":"` + arn + `","Policy":"[]"}`},
		{"GET", path, "", 200, `{"Templates":[{"Name":"setup","Arn":"` + arn + `","Policy":"[]"}]}`},
		{"PUT", path + "/setup", `{"Policy":"no JSON"}`, 400, `{"Error":"A template must be JSON of at most 10240 bytes."}`},
		{"PUT", path + "/setup", `{"Policies":"{}"}`, 400, `{"Error":"The member \"Policies\" is not known or given twice."}`},
		{"DELETE", path + "/setup", "", 200, `{"Name":"setup"}`},
		{"DELETE", path + "/setup", "", 404, `{"Error":"The delegation template with name setup cannot be found."}`},
		{"GET", "accounts/123456789012/delegation-templates", "", 404, `{"Error":"The account 123456789012 cannot be found."}`},
	} {
		if status, answer := call(step.method, step.path, step.body); status != step.status || answer != step.answer {
			t.Errorf("%s %s %s: %d %s", step.method, step.path, step.body, status, answer)
		}
	}
	var events []string
	for _, e := range srv.Events(t, a.AccountID) {
		events = append(events, e.Name)
	}
	if got := strings.Join(events, " "); !strings.HasSuffix(got, "PutDelegationTemplate PutDelegationTemplate DeleteDelegationTemplate") {
		t.Errorf("the events are %s", got)
	}
	if status, _ := c.operator(t, "GET", path, "", ""); status != http.StatusUnauthorized {
		t.Errorf("without a token: %d", status)
	}
}
