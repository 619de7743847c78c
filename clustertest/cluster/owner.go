package cluster

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// Owns reports whether the process has the socket with this local address: what a proxy sees as the address of who calls
// it on this machine. It works on Linux, with IPv4.
func (p *process) Owns(addr net.Addr) bool {
	pid := p.PID()
	ap, err := netip.ParseAddrPort(addr.String())
	if pid == 0 || err != nil || !ap.Addr().Unmap().Is4() {
		return false
	}
	b := ap.Addr().Unmap().As4()
	local := fmt.Sprintf("%02X%02X%02X%02X:%04X", b[3], b[2], b[1], b[0], ap.Port()) // as the kernel of a little-endian machine prints it
	f, err := os.Open(fmt.Sprintf("/proc/%d/net/tcp", pid))
	if err != nil {
		return false
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) > 9 && fields[1] == local {
			return holds(pid, "socket:["+fields[9]+"]")
		}
	}
	return false
}

func holds(pid int, socket string) bool {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil {
		return false
	}
	for _, f := range files {
		if target, err := os.Readlink(f); err == nil && target == socket {
			return true
		}
	}
	return false
}
