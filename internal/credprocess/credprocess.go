// Package credprocess gets credentials of a role for the credential_process setting of AWS's SDKs ("Process credential provider" in the AWS
// SDKs and Tools reference guide): it finds the caller's long-term credentials where SDKs find them, calls AssumeRole, and prints the
// answer in the form that SDKs read.
//
// It is a client like any other and knows nothing of the server's inside. It keeps nothing: SDKs ask again before the credentials end.
package credprocess

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/ostiary-iam/ostiary/internal/secret"
	"github.com/ostiary-iam/ostiary/sigv4"
)

// Keys are credentials of AWS's form. The token is empty for long-term ones.
type Keys struct {
	AccessKeyID     string
	SecretAccessKey secret.Text
	SessionToken    secret.Text
}

// Credentials are credentials of a role session.
type Credentials struct {
	Keys
	Expiration time.Time
}

// Request is a call of AssumeRole. RoleARN, SessionName, Endpoint and Region are required.
type Request struct {
	RoleARN, SessionName, ExternalID, SerialNumber string
	TokenCode                                      secret.Text
	Duration                                       time.Duration // whole seconds; zero leaves it to the server
	Source                                         Keys          // who calls
	Endpoint                                       string        // URL of STS, without a path
	Region                                         string
	Client                                         *http.Client     // nil means one that waits ten seconds
	Now                                            func() time.Time // nil means time.Now
}

// maxAnswer is the largest answer that is read.
const maxAnswer = 1 << 20

var defaultClient = &http.Client{
	Timeout:       10 * time.Second,
	CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("STS does not redirect") },
}

// AssumeRole calls AssumeRole. A refusal is told in the server's words, code first.
func AssumeRole(ctx context.Context, in Request) (Credentials, error) {
	u, err := url.Parse(in.Endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || strings.Trim(u.Path, "/") != "" {
		return Credentials{}, fmt.Errorf("%q is not the URL of a server, such as http://127.0.0.1:4566", in.Endpoint)
	}
	form := url.Values{"Action": {"AssumeRole"}, "Version": {"2011-06-15"}}
	for name, value := range map[string]string{
		"RoleArn": in.RoleARN, "RoleSessionName": in.SessionName, "ExternalId": in.ExternalID, "SerialNumber": in.SerialNumber, "TokenCode": in.TokenCode.Reveal(),
	} {
		if value != "" {
			form.Set(name, value)
		}
	}
	if in.Duration != 0 {
		form.Set("DurationSeconds", strconv.Itoa(int(in.Duration/time.Second)))
	}
	body := form.Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, u.Scheme+"://"+u.Host+"/", strings.NewReader(body))
	if err != nil {
		return Credentials{}, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	now := in.Now
	if now == nil {
		now = time.Now
	}
	signer := sigv4.Signer{AccessKeyID: in.Source.AccessKeyID, Secret: in.Source.SecretAccessKey.Reveal(), Token: in.Source.SessionToken.Reveal(), Region: in.Region, Service: "sts"}
	if err := signer.Sign(r, sha256.Sum256([]byte(body)), now()); err != nil {
		return Credentials{}, fmt.Errorf("signing: %w", err)
	}
	client := in.Client
	if client == nil {
		client = defaultClient
	}
	resp, err := client.Do(r)
	if err != nil {
		return Credentials{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err == nil && len(text) > maxAnswer {
		err = errors.New("the answer is too long")
	}
	if err != nil {
		return Credentials{}, fmt.Errorf("reading the answer: %w", err)
	}
	return readAnswer(resp.StatusCode, text)
}

// readAnswer reads what STS answered.
func readAnswer(status int, text []byte) (Credentials, error) {
	if status != http.StatusOK {
		var refusal struct {
			Code    string `xml:"Error>Code"`
			Message string `xml:"Error>Message"`
		}
		if err := xml.Unmarshal(text, &refusal); err != nil || refusal.Code == "" {
			return Credentials{}, fmt.Errorf("the server answers %d", status)
		}
		return Credentials{}, fmt.Errorf("%s: %s", refusal.Code, refusal.Message)
	}
	var out struct {
		XMLName     xml.Name `xml:"AssumeRoleResponse"`
		Credentials struct {
			AccessKeyID     string `xml:"AccessKeyId"`
			SecretAccessKey string
			SessionToken    string
			Expiration      time.Time
		} `xml:"AssumeRoleResult>Credentials"`
	}
	if err := xml.Unmarshal(text, &out); err != nil {
		return Credentials{}, fmt.Errorf("reading the answer: %w", err)
	}
	c := out.Credentials
	if c.AccessKeyID == "" || c.SecretAccessKey == "" || c.SessionToken == "" || c.Expiration.IsZero() {
		return Credentials{}, errors.New("the answer holds no credentials")
	}
	return Credentials{Keys{c.AccessKeyID, secret.New(c.SecretAccessKey), secret.New(c.SessionToken)}, c.Expiration}, nil
}

// Document is what SDKs read: version 1 of their JSON, with a newline at its end. It shows the secrets.
func (c *Credentials) Document() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(struct {
		Version         int
		AccessKeyID     string `json:"AccessKeyId"`
		SecretAccessKey string
		SessionToken    string
		Expiration      string
	}{1, c.AccessKeyID, c.SecretAccessKey.Reveal(), c.SessionToken.Reveal(), c.Expiration.UTC().Format(time.RFC3339)})
	return b.Bytes(), err
}
