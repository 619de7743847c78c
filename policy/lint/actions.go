package lint

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/ostiary-iam/ostiary/catalog"
	"github.com/ostiary-iam/ostiary/policy"
)

// otherNames are what people write for services whose prefix is another.
var otherNames = map[string]string{
	"apigatewayv2": "apigateway", "cloudwatchlogs": "logs", "cognito": "cognito-idp", "documentdb": "rds", "ebs-snapshots": "ebs",
	"efs": "elasticfilesystem", "elb": "elasticloadbalancing", "elbv2": "elasticloadbalancing",
	"elasticloadbalancingv2": "elasticloadbalancing", "emr": "elasticmapreduce", "eventbridge": "events", "msk": "kafka",
	"opensearch": "es", "parameterstore": "ssm", "stepfunctions": "states", "sfn": "states", "systemsmanager": "ssm",
}

// checkActions judges the names in Action and NotAction.
func (s *statement) checkActions() {
	for i := range s.actions {
		a := &s.actions[i]
		prefix, name, ok := strings.Cut(a.Text, ":")
		switch {
		case a.all || !ok || len(a.actions) > 0 || s.exhausted:
		case a.service == nil:
			s.unknownService(a, prefix)
		case strings.ContainsAny(name, "*?"):
			s.report(InvalidAction, Warning, a.Value, a.path,
				fmt.Sprintf("No action of %s matches %s%s.", a.service.Name, a.Text, s.asOf()), s.consequence()+"Check the spelling, or remove the pattern.")
		default:
			s.unknownAction(a, name)
		}
	}
	for i, text := range s.names.texts {
		j, ok := s.names.find(text, i)
		if !ok || s.names.texts[j] == text && j > i {
			continue
		}
		s.report(RedundantAction, Suggestion, s.actions[i].Value, s.actions[i].path,
			twice(s.actions[i].Text, s.actions[j].Text), "Remove one of them.")
	}
}

// twice is the message for a value that another one of the list covers.
func twice(text, by string) string {
	if strings.EqualFold(text, by) {
		return short(text) + " is listed twice."
	}
	return fmt.Sprintf("%s is already covered by %s in the same list.", short(text), short(by))
}

func (l *linter) asOf() string { return " in the service authorization reference of " + l.ref.AsOf }

// consequence says what an action without meaning does where it stands.
func (s *statement) consequence() string {
	switch {
	case s.Actions.Not && s.Effect == policy.Allow:
		return "As it stands, the exception does not work and what it was meant for is allowed. "
	case s.Actions.Not:
		return "As it stands, the exception does not work and what it was meant for is denied. "
	case s.Effect == policy.Deny:
		return "As it stands, nothing is denied by it. "
	}
	return "As it stands, it allows nothing. "
}

func (s *statement) unknownService(a *actionValue, prefix string) {
	name := strings.ToLower(prefix)
	if right, ok := otherNames[name]; ok {
		s.report(InvalidServiceInAction, Error, a.Value, a.path,
			fmt.Sprintf("No service has the prefix %s; the prefix is %s.", prefix, right),
			s.consequence()+fmt.Sprintf("Write %s:%s.", right, a.Text[len(prefix)+1:]))
		return
	}
	best, distance := s.nearest(name, s.prefixes())
	message := fmt.Sprintf("No service has the prefix %s%s.", prefix, s.asOf())
	switch {
	case best == "":
		s.report(InvalidServiceInAction, Warning, a.Value, a.path, message,
			s.consequence()+"Check the spelling; leave it if the service is your own, retired or newer than the reference.")
	case misspelt(name, distance):
		s.report(InvalidServiceInAction, Error, a.Value, a.path,
			message+" Did you mean "+best+"?", s.consequence()+fmt.Sprintf("Write %s%s.", best, a.Text[len(prefix):]))
	default:
		s.report(InvalidServiceInAction, Warning, a.Value, a.path,
			message+" Did you mean "+best+"?", s.consequence()+"Check the spelling.")
	}
}

func (l *linter) prefixes() iter.Seq[string] {
	return func(yield func(string) bool) {
		for s := range l.ref.Services() {
			if !yield(s.Prefix) {
				return
			}
		}
	}
}

func (s *statement) unknownAction(a *actionValue, name string) {
	best, distance := s.nearest(name, actionNames(a.service))
	message := fmt.Sprintf("%s has no action %s%s.", a.service.Name, name, s.asOf())
	if best == "" {
		s.report(InvalidAction, Warning, a.Value, a.path, message,
			s.consequence()+"Check the spelling; leave it if the action is retired, internal or newer than the reference.")
		return
	}
	severity := Warning
	if misspelt(name, distance) {
		severity = Error
	}
	s.report(InvalidAction, severity, a.Value, a.path, fmt.Sprintf("%s Did you mean %s:%s?", message, a.service.Prefix, best),
		s.consequence()+fmt.Sprintf("If so, write %s:%s.", a.service.Prefix, best))
}

func actionNames(s *catalog.Service) iter.Seq[string] {
	return func(yield func(string) bool) {
		for a := range s.Actions() {
			if !yield(a.Name) {
				return
			}
		}
	}
}

// names joins texts for a message: at most three, and how many more there are.
func names(texts []string) string {
	const most = 3
	if len(texts) <= most {
		return strings.Join(texts, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(texts[:most], ", "), len(texts)-most)
}

// servicesOf names the services of a statement's actions.
func servicesOf(services []*catalog.Service) string {
	var out []string
	for _, s := range services {
		out = append(out, s.Prefix)
	}
	slices.Sort(out)
	return names(out)
}
