package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// model is an API model file, in the form of the AWS SDKs' service-2.json without prose. Unknown fields are errors, so that
// a newer model cannot bring a trait that the generator silently passes over.
type model struct {
	Source     string // overlays only: where the additions were read
	Metadata   metadata
	Operations ordered[*operation]
	Pagination ordered[*pages]
	Shapes     ordered[*shape]
	Version    string
}

type metadata struct {
	APIVersion          string   `json:"apiVersion"`
	Auth                []string `json:"auth"`
	EndpointPrefix      string   `json:"endpointPrefix"`
	GlobalEndpoint      string   `json:"globalEndpoint"`
	JSONVersion         string   `json:"jsonVersion"`
	Protocol            string   `json:"protocol"`
	Protocols           []string `json:"protocols"`
	ServiceAbbreviation string   `json:"serviceAbbreviation"`
	ServiceFullName     string   `json:"serviceFullName"`
	ServiceID           string   `json:"serviceId"`
	SignatureVersion    string   `json:"signatureVersion"`
	SigningName         string   `json:"signingName"`
	TargetPrefix        string   `json:"targetPrefix"`
	UID                 string   `json:"uid"`
	XMLNamespace        string   `json:"xmlNamespace"`
}

type operation struct {
	Name     string   `json:"name"`
	Auth     []string `json:"auth"`
	AuthType string   `json:"authtype"`
	Errors   []ref    `json:"errors"`
	HTTP     struct {
		Method     string `json:"method"`
		RequestURI string `json:"requestUri"`
	} `json:"http"`
	Input  *ref `json:"input"`
	Output *ref `json:"output"`
}

type ref struct {
	Shape         string `json:"shape"`
	LocationName  string `json:"locationName"`
	ResultWrapper string `json:"resultWrapper"`
	Deprecated    bool   `json:"deprecated"`
}

type shape struct {
	Type         string        `json:"type"`
	Members      ordered[*ref] `json:"members"`
	Required     []string      `json:"required"`
	Optional     []string      `json:"optional"` // overlays only: members that are no longer required
	Member       *ref          `json:"member"`
	Key          *ref          `json:"key"`
	Value        *ref          `json:"value"`
	Min          *int          `json:"min"`
	Max          *int          `json:"max"`
	Pattern      string        `json:"pattern"`
	Enum         []string      `json:"enum"`
	Sensitive    bool          `json:"sensitive"`
	Box          bool          `json:"box"`       // a trait of the Java SDK: no meaning here
	Wrapper      bool          `json:"wrapper"`   // likewise
	Synthetic    bool          `json:"synthetic"` // likewise
	LocationName string        `json:"locationName"`
	Exception    bool          `json:"exception"`
	Fault        bool          `json:"fault"`
	Error        *struct {
		Code           string `json:"code"`
		HTTPStatusCode int    `json:"httpStatusCode"`
		SenderFault    bool   `json:"senderFault"`
	} `json:"error"`
}

type pages struct {
	InputToken       oneOrMore `json:"input_token"`
	OutputToken      oneOrMore `json:"output_token"`
	LimitKey         string    `json:"limit_key"`
	MoreResults      string    `json:"more_results"`
	ResultKey        oneOrMore `json:"result_key"`
	NonAggregateKeys []string  `json:"non_aggregate_keys"`
}

// oneOrMore is a string or a list of strings.
type oneOrMore []string

// UnmarshalJSON reads either form.
func (o *oneOrMore) UnmarshalJSON(text []byte) error {
	var one string
	if err := json.Unmarshal(text, &one); err == nil {
		*o = oneOrMore{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(o))
}

// readModel reads models/NAME.json and lays models/NAME.overlay.json over it where there is one.
func readModel(dir, name string) (*model, error) {
	m, err := readFile(filepath.Join(dir, name+".json"))
	if err != nil {
		return nil, err
	}
	over, err := readFile(filepath.Join(dir, name+".overlay.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return nil, err
	}
	if over.Source == "" {
		return nil, fmt.Errorf("%s.overlay.json does not say where its additions come from", name)
	}
	if err := m.lay(over); err != nil {
		return nil, fmt.Errorf("%s.overlay.json: %w", name, err)
	}
	return m, nil
}

func readFile(path string) (*model, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	m := new(model)
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(m); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// lay adds what over has. An overlay only adds: operations, shapes, members of a structure, values of an enumeration, and
// members that have become optional.
// What the model has by now is an error, so that an overlay that a newer model made useless is noticed.
func (m *model) lay(over *model) error {
	for _, name := range over.Operations.names {
		if m.Operations.has(name) {
			return fmt.Errorf("operation %s is in the model already", name)
		}
		m.Operations.add(name, over.Operations.by[name])
	}
	slices.Sort(m.Operations.names)
	for _, name := range over.Shapes.names {
		add := over.Shapes.by[name]
		s, ok := m.Shapes.by[name]
		if !ok {
			slices.Sort(add.Members.names) // as in the models
			m.Shapes.add(name, add)
			continue
		}
		if add.Type != s.Type {
			return fmt.Errorf("shape %s: type is %s in the model", name, s.Type)
		}
		for _, mem := range add.Members.names {
			if s.Members.has(mem) {
				return fmt.Errorf("shape %s: member %s is in the model already", name, mem)
			}
			s.Members.add(mem, add.Members.by[mem])
		}
		slices.Sort(s.Members.names)
		for _, mem := range add.Optional {
			i := slices.Index(s.Required, mem)
			if i < 0 {
				return fmt.Errorf("shape %s: member %s is not required in the model", name, mem)
			}
			s.Required = slices.Delete(s.Required, i, i+1)
		}
		for _, v := range add.Enum {
			if slices.Contains(s.Enum, v) {
				return fmt.Errorf("shape %s: value %s is in the model already", name, v)
			}
			s.Enum = append(s.Enum, v)
		}
	}
	return nil
}
