package wire

import (
	"net/http"
	"slices"
	"strconv"
	"sync"
)

// Failure is an error as it is written.
type Failure struct {
	Code    string
	Message string
	Status  int
	Sender  bool     // the caller's fault, not the server's
	Extra   []Member // further members of a modelled error, such as Organizations' Reason
}

// Member is a name and a text.
type Member struct{ Name, Value string }

// Failure is the failure with a code of the API, with the status that the model gives it; 400 for a code it does not know.
func (a *API) Failure(code, message string, extra ...Member) Failure {
	shape, ok := a.Errors[code]
	if !ok {
		shape = ErrorShape{Code: code, Status: http.StatusBadRequest, Sender: true}
	}
	return Failure{Code: code, Message: message, Status: shape.Status, Sender: shape.Sender, Extra: extra}
}

// Answers are written through pooled buffers; one that a large answer has blown up beyond this is not kept.
const maxPooled = 64 << 10

var buffers = sync.Pool{New: func() any { return new(make([]byte, 0, 4<<10)) }}

// WriteOutput writes a success with status 200. out is nil where the operation has no output.
func WriteOutput(w http.ResponseWriter, c *Call, requestID string, out Output) {
	b := buffers.Get().(*[]byte)
	*b = c.AppendOutput((*b)[:0], requestID, out)
	write(w, c.API.Protocol, http.StatusOK, requestID, b)
}

// WriteFailure writes a failure in the form of an API.
func (s *APIs) WriteFailure(w http.ResponseWriter, api *API, requestID string, f Failure) {
	b := buffers.Get().(*[]byte)
	*b = api.AppendFailure((*b)[:0], requestID, f)
	if api.Protocol == JSON {
		w.Header()["X-Amzn-Errortype"] = []string{f.Code}
	}
	write(w, api.Protocol, f.Status, requestID, b)
}

func write(w http.ResponseWriter, p Protocol, status int, requestID string, b *[]byte) {
	h := w.Header()
	if p == JSON {
		h["Content-Type"] = jsonType
	} else {
		h["Content-Type"] = xmlType
	}
	h["X-Amzn-Requestid"] = []string{requestID}
	h["Content-Length"] = []string{strconv.Itoa(len(*b))}
	w.WriteHeader(status)
	_, _ = w.Write(*b) // the caller has gone away: nobody is left to tell
	if cap(*b) <= maxPooled {
		clear(*b) // answers hold secrets; nothing of one must be left for the next
		buffers.Put(b)
	}
}

var (
	xmlType  = []string{"text/xml"}
	jsonType = []string{"application/x-amz-json-1.1"}
)

// AppendOutput appends the body of a success.
func (c *Call) AppendOutput(b []byte, requestID string, out Output) []byte {
	if c.API.Protocol == JSON {
		if out == nil {
			return b
		}
		return out.(jsonOutput).AppendJSON(b)
	}
	b = slices.Grow(b, 512)
	b = openRoot(b, c.Operation.root, c.API.Namespace)
	if c.Operation.NewOutput != nil {
		b = append(append(append(b, '<'), c.Operation.Name...), "Result>"...)
		if out != nil {
			b = out.(xmlOutput).AppendXML(b)
		}
		b = append(append(append(b, "</"...), c.Operation.Name...), "Result>"...)
	}
	b = append(b, "<ResponseMetadata>"...)
	b = XMLString(b, "RequestId", requestID)
	b = append(b, "</ResponseMetadata></"...)
	b = append(b, c.Operation.Name...)
	return append(b, "Response>"...)
}

// AppendFailure appends the body of a failure.
func (a *API) AppendFailure(b []byte, requestID string, f Failure) []byte {
	if a.Protocol == JSON {
		b = JSONString(append(b, '{'), "__type", f.Code)
		for _, m := range f.Extra {
			b = JSONString(b, m.Name, m.Value)
		}
		return append(JSONString(b, "Message", f.Message), '}')
	}
	b = openRoot(b, "ErrorResponse", a.Namespace)
	b = append(b, "<Error>"...)
	kind := "Receiver"
	if f.Sender {
		kind = "Sender"
	}
	b = XMLString(b, "Type", kind)
	b = XMLString(b, "Code", f.Code)
	b = XMLString(b, "Message", f.Message)
	for _, m := range f.Extra {
		b = XMLString(b, m.Name, m.Value)
	}
	b = append(b, "</Error>"...)
	b = XMLString(b, "RequestId", requestID)
	return XMLClose(b, "ErrorResponse")
}

func openRoot(b []byte, name, namespace string) []byte {
	b = append(append(b, '<'), name...)
	if namespace != "" {
		b = append(append(append(b, ` xmlns="`...), namespace...), '"')
	}
	return append(b, '>')
}
