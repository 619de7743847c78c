package imds

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/ostiary-iam/ostiary/internal/fault"
	"github.com/ostiary-iam/ostiary/internal/secret"
)

// Operator asks the operator API of a server. Set either Role or InstanceProfile.
type Operator struct {
	Endpoint              string       // "http://127.0.0.1:4566", without a slash at the end
	Token                 secret.Text  // empty in dev mode
	Account               string       // empty means the installation's first
	Role, InstanceProfile string       // a name
	Client                *http.Client // nil means one that waits five seconds
}

// maxAnswer is the largest answer that is read.
const maxAnswer = 64 << 10

var defaultClient = &http.Client{
	Timeout:       5 * time.Second,
	CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("the operator API does not redirect") },
}

// Profile implements [Roles].
func (o *Operator) Profile(ctx context.Context) (Profile, error) {
	q := url.Values{}
	for name, value := range map[string]string{"account": o.Account, "name": o.InstanceProfile, "role": o.Role} {
		if value != "" {
			q.Set(name, value)
		}
	}
	var out struct{ InstanceProfileArn, InstanceProfileID, RoleArn, RoleName string }
	err := o.call(ctx, http.MethodGet, "instance-profiles?"+q.Encode(), nil, &out)
	return Profile{ARN: out.InstanceProfileArn, ID: out.InstanceProfileID, RoleARN: out.RoleArn, RoleName: out.RoleName}, err
}

// Assume implements [Roles].
func (o *Operator) Assume(ctx context.Context, in Request) (Credentials, error) {
	body, err := json.Marshal(struct {
		Service, RoleArn, SessionName string
		SourceArn                     string `json:",omitempty"`
		DurationSeconds               int
	}{in.Service, in.RoleARN, in.SessionName, in.SourceARN, int(in.Life / time.Second)})
	if err != nil {
		return Credentials{}, err
	}
	var out struct {
		AccessKeyID, SecretAccessKey, SessionToken string
		Expiration                                 time.Time
	}
	if err := o.call(ctx, http.MethodPost, "service-credentials", body, &out); err != nil {
		return Credentials{}, err
	}
	if out.AccessKeyID == "" || out.SecretAccessKey == "" || out.SessionToken == "" || out.Expiration.IsZero() {
		return Credentials{}, errors.New("the operator API answered no credentials")
	}
	return Credentials{AccessKeyID: out.AccessKeyID, SecretAccessKey: secret.New(out.SecretAccessKey), SessionToken: secret.New(out.SessionToken), Expiration: out.Expiration}, nil
}

// call sends one request. 403 and 404 are of kind Denied and NotFound, with the server's sentence.
func (o *Operator) call(ctx context.Context, method, path string, body []byte, out any) error {
	r, err := http.NewRequestWithContext(ctx, method, o.Endpoint+"/_ostiary/v1/"+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("asking the operator API: %w", err)
	}
	if !o.Token.IsZero() {
		r.Header.Set("Authorization", "Bearer "+o.Token.Reveal())
	}
	client := o.Client
	if client == nil {
		client = defaultClient
	}
	resp, err := client.Do(r)
	if err != nil {
		return fmt.Errorf("asking the operator API: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err == nil && len(text) > maxAnswer {
		err = errors.New("the answer is too long")
	}
	if err != nil {
		return fmt.Errorf("reading the operator API's answer: %w", err)
	}
	if resp.StatusCode == http.StatusOK {
		if err := json.Unmarshal(text, out); err != nil {
			return fmt.Errorf("reading the operator API's answer: %w", err)
		}
		return nil
	}
	var refusal struct{ Error string }
	if err := json.Unmarshal(text, &refusal); err != nil || refusal.Error == "" {
		return fmt.Errorf("the operator API answers %s", resp.Status)
	}
	switch resp.StatusCode {
	case http.StatusForbidden:
		return fault.New(fault.Denied, "%s", refusal.Error)
	case http.StatusNotFound:
		return fault.New(fault.NotFound, "%s", refusal.Error)
	}
	return fmt.Errorf("the operator API answers %s: %s", resp.Status, refusal.Error)
}
