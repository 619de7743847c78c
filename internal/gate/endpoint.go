package gate

import (
	"net"
	"slices"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/directory"
)

// endpoint is which of its endpoints a service was called at, as the request's Host says. The zero value is one that names no region: a
// single endpoint for all.
type endpoint struct {
	region string // which signatures have to be for; empty: any
	global bool
}

// endpointOf reads the Host of a request to a service that has endpoints of regions (S2-364). Its forms are the name of the service's
// global endpoint, and SERVICE.REGION.DOMAIN or SERVICE-fips.REGION.DOMAIN of any domain, so that an operator's own names work as AWS's
// do; REGION has to be one that signatures may name. Every other name says nothing of a region.
func (g *Gate) endpointOf(s *Service, host string) endpoint {
	if s.Region != "" {
		return endpoint{} // one region has it all
	}
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if s.GlobalEndpoint != "" && host == s.GlobalEndpoint {
		return endpoint{directory.GlobalRegion, true}
	}
	labels := strings.SplitN(host, ".", 3)
	if len(labels) < 3 || strings.TrimSuffix(labels[0], "-fips") != s.API.SigningName || !slices.Contains(g.regions, labels[1]) {
		return endpoint{}
	}
	return endpoint{region: labels[1]}
}
