package supervise

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
)

// ports gives ports of a range to nodes, each to one.
type ports struct {
	first, last int

	mu    sync.Mutex
	next  int
	taken map[int]string // port → node
}

// give returns a port of the range that no node has and on which nobody listens now, and keeps it for the node.
func (p *ports) give(node string, address netip.Addr) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for range p.last - p.first + 1 {
		port := p.first + p.next
		p.next = (p.next + 1) % (p.last - p.first + 1)
		if _, taken := p.taken[port]; !taken && free(address, port) {
			p.taken[port] = node
			return port, nil
		}
	}
	return 0, fmt.Errorf("every port from %d to %d is taken", p.first, p.last)
}

// reserve keeps ports for a node that has them already; zeros are none.
func (p *ports) reserve(node string, ports ...int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, port := range ports {
		if _, taken := p.taken[port]; port != 0 && !taken {
			p.taken[port] = node
		}
	}
}

// free gives back all that a node has.
func (p *ports) free(node string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for port, n := range p.taken {
		if n == node {
			delete(p.taken, port)
		}
	}
}

// free reports whether nobody listens on a port of an address.
func free(address netip.Addr, port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort(address.String(), strconv.Itoa(port)))
	if err != nil {
		return false
	}
	return l.Close() == nil
}
