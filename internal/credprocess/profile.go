package credprocess

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/ostiary-iam/ostiary/internal/secret"
)

// maxFile is the largest profile file that is read.
const maxFile = 1 << 20

// Source finds the keys to call with. A profile that is named is taken from the files; without one the environment's keys come first
// (AWS_ACCESS_KEY_ID and its companions), and then the profile of AWS_PROFILE, or "default". Only keys that stand in the profile
// itself count: a profile that gets its own by a role or a process would lead in a circle. The credentials file wins over the
// configuration file. getenv is os.Getenv; home is the user's directory.
func Source(getenv func(string) string, home, profile string) (Keys, error) {
	if profile == "" {
		id, text := getenv("AWS_ACCESS_KEY_ID"), getenv("AWS_SECRET_ACCESS_KEY")
		switch {
		case id != "" && text != "":
			return Keys{id, secret.New(text), secret.New(getenv("AWS_SESSION_TOKEN"))}, nil
		case id != "" || text != "":
			return Keys{}, errors.New("of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY only one is set")
		}
		if profile = getenv("AWS_PROFILE"); profile == "" {
			profile = "default"
		}
	}
	for _, f := range []struct {
		variable, name string
		configuration  bool
	}{{"AWS_SHARED_CREDENTIALS_FILE", "credentials", false}, {"AWS_CONFIG_FILE", "config", true}} {
		path := getenv(f.variable)
		if path == "" {
			path = filepath.Join(home, ".aws", f.name)
		}
		text, err := readFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return Keys{}, err
		}
		all, err := Profiles(text, f.configuration)
		if err != nil {
			return Keys{}, fmt.Errorf("%s: %w", path, err)
		}
		p := all[profile]
		id, key := p["aws_access_key_id"], p["aws_secret_access_key"]
		switch {
		case id != "" && key != "":
			return Keys{id, secret.New(key), secret.New(p["aws_session_token"])}, nil
		case id != "" || key != "":
			return Keys{}, fmt.Errorf("%s: the profile %s has only one of aws_access_key_id and aws_secret_access_key", path, profile)
		}
	}
	return Keys{}, fmt.Errorf("no keys: none in the environment, and none in a profile %q of the credentials and configuration files", profile)
}

func readFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(b) > maxFile {
		err = fmt.Errorf("%s is longer than %d bytes", path, maxFile)
	}
	return string(b), err
}

// Profiles reads a file of profiles ("Format of the configuration and credential files" in the AWS SDKs and Tools reference guide): settings
// by profile, names in lower case. In the configuration file sections are called "profile NAME", except for "default"; other sections
// are passed over, as are settings inside of settings. Errors never show a value.
func Profiles(text string, configuration bool) (map[string]map[string]string, error) {
	out := make(map[string]map[string]string)
	var current map[string]string // nil in a section that is passed over
	section := false
	n := 0
	for line := range strings.Lines(text) {
		n++
		trimmed := strings.TrimSpace(line)
		switch {
		case trimmed == "" || trimmed[0] == '#' || trimmed[0] == ';':
			continue
		case trimmed[0] == '[':
			name, rest, ok := strings.Cut(trimmed[1:], "]")
			if rest = strings.TrimSpace(rest); !ok || rest != "" && rest[0] != '#' && rest[0] != ';' {
				return nil, fmt.Errorf("line %d: a section is [NAME]", n)
			}
			section, current = true, nil
			if name, ok = profileName(name, configuration); ok {
				if current = out[name]; current == nil {
					current = make(map[string]string)
					out[name] = current
				}
			}
			continue
		case line[0] == ' ' || line[0] == '\t':
			if !section {
				return nil, fmt.Errorf("line %d: a setting before the first section", n)
			}
			continue // inside of a setting
		}
		name, value, ok := strings.Cut(trimmed, "=")
		name = strings.ToLower(strings.TrimSpace(name))
		switch {
		case !section:
			return nil, fmt.Errorf("line %d: a setting before the first section", n)
		case !ok || name == "":
			return nil, fmt.Errorf("line %d: a setting is NAME = VALUE", n)
		case current == nil:
			continue
		}
		for _, mark := range []string{" #", " ;", "\t#", "\t;"} {
			value, _, _ = strings.Cut(value, mark)
		}
		current[name] = strings.TrimSpace(value)
	}
	return out, nil
}

// profileName is the profile that a section is of.
func profileName(section string, configuration bool) (name string, ok bool) {
	name = strings.TrimSpace(section)
	if !configuration || name == "default" {
		return name, name != ""
	}
	word, name, ok := strings.Cut(strings.ReplaceAll(name, "\t", " "), " ")
	name = strings.TrimSpace(name)
	return name, ok && word == "profile" && name != ""
}
