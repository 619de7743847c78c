package outbound

import (
	"net/netip"
	"slices"
)

// metadata are the addresses under which clouds give credentials to whoever asks from the right machine. Some lie in public
// or in widely allowed networks, so that they are named one by one.
var metadata = []netip.Addr{
	netip.MustParseAddr("169.254.169.254"), // AWS, Azure, Google and others
	netip.MustParseAddr("169.254.170.2"),   // AWS, containers
	netip.MustParseAddr("169.254.170.23"),  // AWS, Kubernetes pods
	netip.MustParseAddr("fd00:ec2::254"),   // AWS
	netip.MustParseAddr("fd00:ec2::23"),    // AWS, Kubernetes pods
	netip.MustParseAddr("fd20:ce::254"),    // Google
	netip.MustParseAddr("100.100.100.200"), // Alibaba
	netip.MustParseAddr("168.63.129.16"),   // Azure, a public address
	netip.MustParseAddr("192.0.0.192"),     // Oracle
}

// notPublic are the networks that are not for everybody: IANA's special-purpose registries for IPv4 and IPv6 (RFC 6890), those
// of them that are not globally reachable, and multicast.
var notPublic = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
	"192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"::/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16", "fc00::/7",
	"fe80::/10", "fec0::/10", "ff00::/8",
)

func prefixes(texts ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		out[i] = netip.MustParsePrefix(text)
	}
	return out
}

// The networks whose addresses carry an IPv4 address, and where in the 16 bytes it stands.
var carriers = []struct {
	network netip.Prefix
	at      int
}{
	{netip.MustParsePrefix("64:ff9b::/96"), 12}, // NAT64 (RFC 6052)
	{netip.MustParsePrefix("2002::/16"), 2},     // 6to4 (RFC 3056)
}

func isMetadata(a netip.Addr) bool { return slices.Contains(metadata, a) }

// Forbidden reports whether an address is one that must not be reached unless the operator says so: not public (loopback,
// private, link-local, shared, reserved, multicast), or a cloud's metadata service. IPv6 addresses that stand for an IPv4
// address are judged by it.
func Forbidden(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsValid() || isMetadata(a) {
		return true
	}
	for _, p := range notPublic {
		if p.Contains(a) {
			return true
		}
	}
	if a.Is6() {
		b := a.As16()
		for _, c := range carriers {
			if c.network.Contains(a) {
				return Forbidden(netip.AddrFrom4([4]byte(b[c.at:])))
			}
		}
		// What is left of IPv6 and is global unicast lies here (RFC 4291, IANA's assignments).
		return !netip.MustParsePrefix("2000::/3").Contains(a)
	}
	return false
}
