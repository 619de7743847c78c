// Package oidc verifies the tokens of OpenID Connect providers.
package oidc
