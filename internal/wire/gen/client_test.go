package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	awsec "github.com/aws/aws-sdk-go-v2/service/elasticache"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	awsorg "github.com/aws/aws-sdk-go-v2/service/organizations"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"

	"github.com/ostiary-iam/ostiary/internal/testenv"
	"github.com/ostiary-iam/ostiary/internal/wire"
)

const requestID = "6c1b0c0e-0f0d-4d5b-9a53-3f0f0f1d2c3b"

// answer is a server's handler that recognizes the request and answers it with write.
func answer(t testing.TB, write func(w http.ResponseWriter, c *wire.Call, set *wire.APIs)) *httptest.Server {
	set := wire.NewAPIs(apis["iam"], apis["sts"], apis["organizations"], apis["elasticache"])
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		call, err := set.Recognize(r, body)
		if err != nil {
			t.Errorf("%s: %v", body, err)
			w.WriteHeader(500)
			return
		}
		write(w, call, set)
	}))
	t.Cleanup(srv.Close)
	return srv
}

// clients are the real SDK's, one per service.
func clients(url string) map[string]reflect.Value {
	cfg := aws.Config{
		Region: "us-east-1", BaseEndpoint: &url,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"}, nil
		}),
		Retryer:    func() aws.Retryer { return aws.NopRetryer{} },
		HTTPClient: testenv.HTTPClient(),
	}
	return map[string]reflect.Value{
		"iam": reflect.ValueOf(awsiam.NewFromConfig(cfg)), "sts": reflect.ValueOf(awssts.NewFromConfig(cfg)),
		"organizations": reflect.ValueOf(awsorg.NewFromConfig(cfg)), "elasticache": reflect.ValueOf(awsec.NewFromConfig(cfg)),
	}
}

// call calls an operation with a filled input.
func call(client reflect.Value, operation string) (reflect.Value, error) {
	method := client.MethodByName(operation)
	in := reflect.New(method.Type().In(1).Elem())
	new(filler).fill(in.Elem(), 4)
	res := method.Call([]reflect.Value{reflect.ValueOf(context.Background()), in})
	err, _ := res[1].Interface().(error)
	return res[0], err
}

// Every output, with every member set, is read by the SDK's client as the same value; an output with nothing set is read too.
func TestOutputsAreReadByTheSDK(t *testing.T) {
	for _, filled := range []bool{true, false} {
		var want reflect.Value
		srv := answer(t, func(w http.ResponseWriter, c *wire.Call, _ *wire.APIs) {
			if c.Operation.NewOutput == nil {
				wire.WriteOutput(w, c, requestID, nil)
				return
			}
			out := c.Operation.NewOutput()
			want = reflect.ValueOf(out)
			if filled {
				new(filler).fill(want.Elem(), 6)
			}
			wire.WriteOutput(w, c, requestID, out)
		})
		all := clients(srv.URL)
		for name, s := range loadAll(t) {
			for _, o := range s.ops {
				t.Run(fmt.Sprintf("%s/%s/%t", name, o.name, filled), func(t *testing.T) {
					want = reflect.Value{}
					got, err := call(all[name], o.name)
					if err != nil {
						t.Fatal(err)
					}
					meta := got.Elem().FieldByName("ResultMetadata").Interface().(middleware.Metadata)
					if id, _ := awsmiddleware.GetRequestIDMetadata(meta); id != requestID {
						t.Errorf("request ID %q", id)
					}
					if o.out == nil || !filled {
						return
					}
					for _, d := range same(o.name, want.Elem(), got.Elem()) {
						t.Error(d)
					}
				})
			}
		}
	}
}

// Every modelled error is read by the SDK's client as its type, with code and message.
func TestErrorsAreReadByTheSDK(t *testing.T) {
	const message = "Nothing <here> & \"there\" é."
	var code string
	srv := answer(t, func(w http.ResponseWriter, c *wire.Call, set *wire.APIs) {
		set.WriteFailure(w, c.API, requestID, c.API.Failure(code, message, wire.Member{Name: "Reason", Value: "BECAUSE"}))
	})
	all := clients(srv.URL)
	for name, s := range loadAll(t) {
		for _, o := range s.ops {
			operation := apis[name].Operations[o.name]
			for _, code = range append(slices.Clone(operation.Errors), "AccessDenied") {
				t.Run(name+"/"+o.name+"/"+code, func(t *testing.T) {
					_, err := call(all[name], o.name)
					var ae smithy.APIError
					if !errors.As(err, &ae) {
						t.Fatalf("no API error: %v", err)
					}
					if ae.ErrorCode() != code || ae.ErrorMessage() != message {
						t.Errorf("read as %q %q", ae.ErrorCode(), ae.ErrorMessage())
					}
					_, generic := ae.(*smithy.GenericAPIError)
					if generic != (code == "AccessDenied") {
						t.Errorf("read as a %T", ae)
					}
					if f := reflect.ValueOf(ae).Elem().FieldByName("Reason"); f.IsValid() && f.String() != "BECAUSE" {
						t.Errorf("reason %q", f.String())
					}
					if want := apis[name].Errors[code]; want.Code != "" && want.Sender != (ae.ErrorFault() == smithy.FaultClient) {
						t.Errorf("fault is %s", ae.ErrorFault())
					}
					var re interface{ HTTPStatusCode() int }
					if status := apis[name].Failure(code, "").Status; !errors.As(err, &re) || re.HTTPStatusCode() != status {
						t.Errorf("status is not %d: %v", status, err)
					}
					if !strings.Contains(err.Error(), requestID) {
						t.Errorf("no request ID in %v", err)
					}
				})
			}
		}
	}
}
