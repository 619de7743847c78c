// Package parameter is the table of the parameters that AWS's cache parameter groups have, by family: what each is called, what it is by
// default, what it may be, whether it may be changed and when a change takes effect. It is data and checks; how a value reaches an
// engine is the engine drivers' business.
//
// A family is a line of an engine: redis7 is for Redis 7.0 and 7.1. Families whose engines are older than what a driver runs are here
// too as far as clients still name them.
package parameter

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/elasticache/engine"
)

// Parameter is one row, in AWS's terms of the shape Parameter.
type Parameter struct {
	Name    string
	Default string
	Type    string // string, integer, float or boolean
	// Allowed is AWS's form: "yes,no", "1-100", "0-" (no upper bound) or empty for any text.
	Allowed    string
	Modifiable bool
	// Reboot says that a change takes effect when the node starts again; otherwise at once (ChangeType).
	Reboot bool
	// Since is the lowest engine version that has it: MinimumEngineVersion.
	Since string
}

// Family is a parameter group family.
type Family struct {
	Name    string
	Engine  engine.Name
	ordered []Parameter
}

// Lookup returns a family such as redis7.
func Lookup(name string) (Family, bool) {
	i := slices.IndexFunc(families, func(f Family) bool { return f.Name == name })
	if i < 0 {
		return Family{}, false
	}
	return families[i], true
}

// Families returns all, by name.
func Families() []Family { return slices.Clone(families) }

// Of returns the family of an engine version that somebody wants: Redis 7.1 has redis7.
func Of(e engine.Name, version string) (Family, error) {
	v, err := engine.ParseVersion(version)
	if err != nil {
		return Family{}, err
	}
	name := fmt.Sprintf("%s%d", e, v.Major)
	switch {
	case e == engine.Redis && v.Major == 6:
		name = "redis6.x"
	case e == engine.Memcached || e == engine.Redis && v.Major < 6:
		name = fmt.Sprintf("%s%d.%d", e, v.Major, max(v.Minor, 0))
	}
	if f, ok := Lookup(name); ok {
		return f, nil
	}
	return Family{}, fmt.Errorf("no parameter group family for %s %s", e, version)
}

// Parameters returns the family's rows by name. The caller owns the slice.
func (f Family) Parameters() []Parameter { return slices.Clone(f.ordered) }

// Parameter returns a row by its name.
func (f Family) Parameter(name string) (Parameter, bool) {
	i, ok := slices.BinarySearchFunc(f.ordered, name, func(p Parameter, n string) int { return strings.Compare(p.Name, n) })
	if !ok {
		return Parameter{}, false
	}
	return f.ordered[i], true
}

// Values are the family's defaults with some values over them. A name that the family does not have, a value that is not allowed and
// a value other than the default for what cannot be modified are errors; cluster-enabled is the exception, whose value the two default
// groups of a family differ in.
func (f Family) Values(over map[string]string) (map[string]string, error) {
	all := make(map[string]string, len(f.ordered))
	for _, p := range f.ordered {
		all[p.Name] = p.Default
	}
	for _, name := range slices.Sorted(maps.Keys(over)) {
		p, ok := f.Parameter(name)
		value := over[name]
		if !ok {
			return nil, fmt.Errorf("parameter %s is not in the family %s", name, f.Name)
		}
		if !p.Modifiable && value != p.Default && name != "cluster-enabled" {
			return nil, fmt.Errorf("parameter %s cannot be modified", name)
		}
		if err := p.Check(value); err != nil {
			return nil, err
		}
		all[name] = value
	}
	return all, nil
}

// Check reports whether a value is of the parameter's type and allowed.
func (p Parameter) Check(value string) error {
	wrong := fmt.Errorf("parameter %s: value %q is not allowed: %s", p.Name, value, p.describe())
	if strings.ContainsAny(value, "\n\r\x00\"'\\") {
		return wrong
	}
	if value == p.Default {
		return nil
	}
	switch p.Type {
	case "integer", "float":
		v, err := strconv.ParseFloat(value, 64)
		if err != nil || p.Type == "integer" && strings.Trim(value, "-0123456789") != "" {
			return wrong
		}
		if p.Allowed != "" && !within(p.Allowed, v) {
			return wrong
		}
		return nil
	}
	if p.Allowed != "" && !slices.Contains(strings.Split(p.Allowed, ","), value) {
		return wrong
	}
	return nil
}

func (p Parameter) describe() string {
	if p.Allowed == "" {
		return p.Type
	}
	return p.Type + " " + p.Allowed
}

// within reads "1-100", "0-", "0,20-" and "0,1".
func within(allowed string, v float64) bool {
	for _, part := range strings.Split(allowed, ",") {
		low, high, isRange := strings.Cut(part, "-")
		if negative, ok := strings.CutPrefix(part, "-"); ok { // "-5-1": only list-max-listpack-size has one
			low, high, isRange = strings.Cut(negative, "-")
			low = "-" + low
		}
		from, err := strconv.ParseFloat(low, 64)
		if err != nil {
			continue
		}
		to := from
		if isRange {
			to = 1e18
			if high != "" {
				if to, err = strconv.ParseFloat(high, 64); err != nil {
					continue
				}
			}
		}
		if from <= v && v <= to {
			return true
		}
	}
	return false
}
