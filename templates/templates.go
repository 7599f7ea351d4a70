// Package templates holds the shipped pages, mails, locales and styles, which
// a site or a plugin may replace file by file.
package templates

import "embed"

// FS has pages/*.html, mail/*.{subject,txt,html}, sms/*.txt, letters/*.txt, locales/*.json and static/*.
//
//go:embed pages mail sms letters locales static
var FS embed.FS
