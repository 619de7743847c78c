package server

import (
	"io"
	"net/http"
	"time"
)

// Limits bound what clients can hold: connections, and the time for which they hold them. A zero field means its default, which is
// generous; MaxBody and the API's own limits bound what they can send.
type Limits struct {
	// Connections is how many connections are open at a time, whoever opened them. One more is closed as soon as it is accepted.
	Connections int
	// PerAddress is how many of them one address may have, an IPv6 network of 64 bits counting as one; zero means as many as all
	// together. Behind a load balancer all clients have one address.
	PerAddress int
	// Header is the time for the TLS handshake, and for the first line and the headers of a request.
	Header time.Duration
	// Body is the time for all of a request, when its body is of at most [SmallBody] bytes. A larger one, or one of unknown length, has
	// this time and a second more for every BodyRate bytes that have come.
	Body     time.Duration
	BodyRate int // bytes a second
	// Write is the time from the end of the headers to the end of the answer.
	Write time.Duration
	// Idle is how long a connection is kept between requests.
	Idle time.Duration
	// HeaderBytes bounds the first line and the headers together; net/http gives 4 KiB more. Past it the answer is 431.
	HeaderBytes int
	// Streams is how many requests one HTTP/2 connection may have in progress. Four times as many wait, for clients that reset what
	// they have just sent; past that the connection is closed (CVE-2023-44487).
	Streams int
}

// Defaults of [Limits].
const (
	DefaultConnections = 10_000
	DefaultHeader      = 10 * time.Second
	DefaultBody        = 30 * time.Second
	DefaultBodyRate    = 32 << 10
	DefaultWrite       = 60 * time.Second
	DefaultIdle        = 2 * time.Minute
	DefaultStreams     = 128
)

// SmallBody is the size in bytes up to which a body is not watched while it comes: [Limits.Body] is all the time it has.
const SmallBody = 64 << 10

// MaxBody is the most that any operation of the AWS APIs accepts, a SAML metadata document in a form; the API's handler holds nearly all
// of them to less. When it reads more it gets an *http.MaxBytesError and answers that in the protocol of the request.
const MaxBody = 32 << 20

// MaxHeaders is the default of [Limits.HeaderBytes]: presigned requests carry everything in the first line.
const MaxHeaders = 64 << 10

// filled returns l with its defaults.
func (l Limits) filled() Limits {
	number := func(n *int, standard int) {
		if *n <= 0 {
			*n = standard
		}
	}
	period := func(d *time.Duration, standard time.Duration) {
		if *d <= 0 {
			*d = standard
		}
	}
	number(&l.Connections, DefaultConnections)
	number(&l.PerAddress, l.Connections)
	period(&l.Header, DefaultHeader)
	period(&l.Body, DefaultBody)
	number(&l.BodyRate, DefaultBodyRate)
	period(&l.Write, DefaultWrite)
	period(&l.Idle, DefaultIdle)
	number(&l.HeaderBytes, MaxHeaders)
	number(&l.Streams, DefaultStreams)
	return l
}

// bounded gives a request's body its bounds of size and time.
func (s *Server) bounded(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength > SmallBody || r.ContentLength < 0 {
		r.Body = http.MaxBytesReader(w, r.Body, MaxBody)
		p := &paced{ReadCloser: r.Body, control: http.NewResponseController(w), rate: s.cfg.Limits.BodyRate, write: s.cfg.Limits.Write}
		p.deadline = time.Now().Add(s.cfg.Limits.Body)
		r.Body = p
	}
}

// paced is a body that has to come at a minimum rate: whatever has come moves the connection's deadline. The handler that reads from a
// slower client gets an error that is os.ErrDeadlineExceeded.
type paced struct {
	io.ReadCloser
	control  *http.ResponseController
	deadline time.Time
	rate     int           // bytes a second
	write    time.Duration // for the answer, from the end of the body
}

// Read reads, and moves the deadline by the time that what came may have taken.
func (p *paced) Read(b []byte) (int, error) {
	n, err := p.ReadCloser.Read(b)
	if n > 0 {
		p.deadline = p.deadline.Add(time.Duration(n) * time.Second / time.Duration(p.rate))
		// Recorders of tests have no connection; the server's own deadline is in force then.
		_ = p.control.SetReadDeadline(p.deadline)
		_ = p.control.SetWriteDeadline(p.deadline.Add(p.write))
	}
	return n, err
}
