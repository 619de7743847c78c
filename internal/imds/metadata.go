package imds

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Headers of version 2.
const (
	headerToken = "X-Aws-Ec2-Metadata-Token"
	headerTTL   = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"
)

// Metadata returns the instance metadata service. Every request but that for a token needs one, unless Config.AllowV1; a token that is
// there is checked in any case.
func (s *Server) Metadata() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Server", "EC2ws")
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		switch {
		case elsewhere(r):
			plain(w, http.StatusForbidden, "403 - Forbidden")
		case r.URL.Path == "/latest/api/token":
			s.token(w, r)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			h.Set("Allow", "GET, HEAD")
			plain(w, http.StatusMethodNotAllowed, "405 - Method Not Allowed")
		case !s.mayRead(r):
			plain(w, http.StatusUnauthorized, "401 - Unauthorized")
		default:
			s.read(w, r)
		}
	})
}

// elsewhere reports whether a request may come from anywhere but a program on this machine: from a page in a browser, also one whose
// name was made to point here, or through a proxy (EC2 refuses X-Forwarded-For).
func elsewhere(r *http.Request) bool {
	for _, name := range []string{"X-Forwarded-For", "Forwarded", "Origin", "Sec-Fetch-Site"} {
		if _, ok := r.Header[name]; ok {
			return true
		}
	}
	host := r.Host
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
	return err != nil && !strings.EqualFold(host, "localhost") || err == nil && !Local(addr)
}

// Local reports whether an address is one at which these endpoints may be: loopback or link-local, and fd00:ec2::254, which is EC2's.
func Local(addr netip.Addr) bool {
	return addr.IsLoopback() || addr.IsLinkLocalUnicast() || addr == netip.MustParseAddr("fd00:ec2::254")
}

func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPut {
		w.Header().Set("Allow", "PUT")
		plain(w, http.StatusMethodNotAllowed, "405 - Method Not Allowed")
		return
	}
	values := r.Header.Values(headerTTL)
	if len(values) != 1 {
		plain(w, http.StatusBadRequest, "400 - Bad Request")
		return
	}
	ttl, ok := parseTTL(values[0])
	if !ok {
		plain(w, http.StatusBadRequest, "400 - Bad Request")
		return
	}
	text, err := s.newToken(ttl)
	if err != nil {
		plain(w, http.StatusInternalServerError, "500 - Internal Server Error")
		return
	}
	w.Header().Set(headerTTL, strconv.Itoa(int(ttl/time.Second)))
	plain(w, http.StatusOK, text)
}

func (s *Server) mayRead(r *http.Request) bool {
	values := r.Header.Values(headerToken)
	switch len(values) {
	case 0:
		return s.cfg.AllowV1
	case 1:
		return s.goodToken(values[0])
	}
	return false
}

// read answers what may be read. A directory answers with and without the slash at its end.
func (s *Server) read(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.Path, "/latest")
	if !ok {
		plain(w, http.StatusNotFound, "404 - Not Found")
		return
	}
	const credentials = "/meta-data/iam/security-credentials"
	switch path {
	case "", "/":
		plain(w, http.StatusOK, "dynamic\nmeta-data")
	case "/meta-data", "/meta-data/":
		plain(w, http.StatusOK, "iam/\ninstance-id\nplacement/")
	case "/meta-data/instance-id":
		plain(w, http.StatusOK, s.cfg.InstanceID)
	case "/meta-data/placement", "/meta-data/placement/":
		plain(w, http.StatusOK, "availability-zone\nregion")
	case "/meta-data/placement/region":
		plain(w, http.StatusOK, s.cfg.Region)
	case "/meta-data/placement/availability-zone":
		plain(w, http.StatusOK, s.cfg.AvailabilityZone)
	case "/dynamic", "/dynamic/", "/dynamic/instance-identity", "/dynamic/instance-identity/":
		plain(w, http.StatusOK, map[bool]string{true: "document", false: "instance-identity/"}[strings.Contains(path, "identity")])
	case "/dynamic/instance-identity/document":
		s.document(w, r)
	case "/meta-data/iam", "/meta-data/iam/":
		plain(w, http.StatusOK, "info\nsecurity-credentials/")
	case "/meta-data/iam/info":
		s.info(w, r)
	case credentials, credentials + "/":
		if st := s.current(r.Context()); st.profile.RoleName != "" {
			plain(w, http.StatusOK, st.profile.RoleName)
			return
		}
		plain(w, http.StatusNotFound, "404 - Not Found")
	default:
		if name, ok := strings.CutPrefix(path, credentials+"/"); ok {
			s.credentials(w, r, name)
			return
		}
		plain(w, http.StatusNotFound, "404 - Not Found")
	}
}

func (s *Server) info(w http.ResponseWriter, r *http.Request) {
	st := s.current(r.Context())
	if st.updated.IsZero() {
		plain(w, http.StatusServiceUnavailable, "503 - Service Unavailable")
		return
	}
	code := st.code
	if code == codeUnauthorized {
		st.message, code = "", codeSuccess // the profile is as it should be; the credentials say what is wrong
	}
	document(w, struct {
		Code        string
		Message     string `json:",omitempty"`
		LastUpdated string
		ARN         string `json:"InstanceProfileArn,omitempty"`
		ID          string `json:"InstanceProfileId,omitempty"`
	}{code, st.message, stamp(st.updated), st.profile.ARN, st.profile.ID})
}

func (s *Server) credentials(w http.ResponseWriter, r *http.Request, name string) {
	st := s.current(r.Context())
	switch {
	case st.profile.RoleName == "" || name != st.profile.RoleName:
		plain(w, http.StatusNotFound, "404 - Not Found")
	case st.code != codeSuccess:
		document(w, struct{ Code, Message, LastUpdated string }{st.code, st.message, stamp(st.updated)})
	case st.creds == nil:
		plain(w, http.StatusServiceUnavailable, "503 - Service Unavailable")
	default:
		document(w, struct {
			Code, LastUpdated, Type string
			AccessKeyID             string `json:"AccessKeyId"`
			SecretAccessKey         string
			Token, Expiration       string
		}{st.code, stamp(st.updated), "AWS-HMAC", st.creds.AccessKeyID, st.creds.SecretAccessKey.Reveal(), st.creds.SessionToken.Reveal(), stamp(st.creds.Expiration)})
	}
}

// document is what is known of the instance. EC2 signs it; here nobody could verify that.
func (s *Server) document(w http.ResponseWriter, r *http.Request) {
	st := s.current(r.Context())
	architecture, ok := map[string]string{"amd64": "x86_64", "386": "i386"}[runtime.GOARCH]
	if !ok {
		architecture = runtime.GOARCH
	}
	document(w, struct {
		AccountID        string `json:"accountId,omitempty"`
		Architecture     string `json:"architecture"`
		AvailabilityZone string `json:"availabilityZone"`
		InstanceID       string `json:"instanceId"`
		PendingTime      string `json:"pendingTime"`
		Region           string `json:"region"`
		Version          string `json:"version"`
	}{accountOf(st.profile.RoleARN), architecture, s.cfg.AvailabilityZone, s.cfg.InstanceID, stamp(s.began), s.cfg.Region, "2017-09-30"})
}

// Container returns the container credentials endpoint, under any path. The Authorization header must be what Config says.
func (s *Server) Container() http.Handler {
	type failure struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Type", "application/json")
		refuse := func(status int, code, message string) {
			w.WriteHeader(status)
			document(w, failure{code, message})
		}
		values := r.Header.Values("Authorization")
		switch {
		case elsewhere(r):
			refuse(http.StatusForbidden, "Forbidden", "Only programs on this machine get credentials.")
			return
		case r.Method != http.MethodGet:
			h.Set("Allow", "GET")
			refuse(http.StatusMethodNotAllowed, "MethodNotAllowed", "Use GET.")
			return
		case s.cfg.Authorization.IsZero() || len(values) != 1 || !same(values[0], s.cfg.Authorization.Reveal()):
			refuse(http.StatusUnauthorized, "Unauthorized", "The Authorization header is missing or wrong.")
			return
		}
		st := s.current(r.Context())
		switch {
		case st.creds != nil:
			document(w, struct {
				AccessKeyID     string `json:"AccessKeyId"`
				SecretAccessKey string
				Token           string
				Expiration      string
				RoleARN         string `json:"RoleArn"`
			}{st.creds.AccessKeyID, st.creds.SecretAccessKey.Reveal(), st.creds.SessionToken.Reveal(), stamp(st.creds.Expiration), st.profile.RoleARN})
		case st.code == "" || st.code == codeSuccess && st.message == "":
			refuse(http.StatusServiceUnavailable, "Unavailable", "The server does not answer. Try again.")
		default:
			refuse(http.StatusBadRequest, st.code, st.message)
		}
	})
}

// same compares secrets in a time that tells nothing of them.
func same(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // a client that went away cannot be told
}

// document writes v as EC2 does: as text, indented.
func document(w http.ResponseWriter, v any) {
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "text/plain")
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	_ = enc.Encode(v) // the values encode, and a client that went away cannot be told
}

// accountOf is the account of an ARN, or nothing.
func accountOf(arn string) string {
	if parts := strings.SplitN(arn, ":", 6); len(parts) == 6 {
		return parts[4]
	}
	return ""
}
