package ldapserver

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
)

// record is one entry of an LDIF file.
type record struct {
	dn         string
	attributes []attribute
}

// attribute is a type, in the spelling it was written in, and its values.
type attribute struct {
	name   string
	values []string
}

// parseLDIF reads content records (RFC 2849): no changes, no URLs.
func parseLDIF(data []byte) ([]record, error) {
	var records []record
	var lines []string
	flush := func(line int) error {
		if len(lines) == 0 {
			return nil
		}
		r, err := parseRecord(lines)
		if err != nil {
			return fmt.Errorf("LDIF record before line %d: %w", line, err)
		}
		records, lines = append(records, r), nil
		return nil
	}
	scanner, number := bufio.NewScanner(bytes.NewReader(data)), 0
	scanner.Buffer(nil, 1<<20)
	comment := false
	for scanner.Scan() {
		number++
		line := strings.TrimSuffix(scanner.Text(), "\r")
		switch {
		case line == "":
			if err := flush(number); err != nil {
				return nil, err
			}
			comment = false
		case line[0] == '#':
			comment = true
		case line[0] == ' ' && comment:
		case line[0] == ' ' && len(lines) > 0:
			lines[len(lines)-1] += line[1:]
		default:
			lines, comment = append(lines, line), false
		}
	}
	if err := scanner.Err(); err != nil {
		return nil, fmt.Errorf("LDIF: %w", err)
	}
	return records, flush(number + 1)
}

func parseRecord(lines []string) (record, error) {
	var r record
	for i, line := range lines {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return r, fmt.Errorf("a line without a colon")
		}
		if encoded, is64 := strings.CutPrefix(value, ":"); is64 {
			raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
			if err != nil {
				return r, fmt.Errorf("%s: %w", name, err)
			}
			value = string(raw)
		} else {
			value = strings.TrimLeft(value, " ")
		}
		if i == 0 {
			if !strings.EqualFold(name, "dn") {
				return r, fmt.Errorf("begins with %s, not with dn", name)
			}
			r.dn = value
			continue
		}
		r.add(name, value)
	}
	return r, nil
}

func (r *record) add(name, value string) {
	for i := range r.attributes {
		if strings.EqualFold(r.attributes[i].name, name) {
			r.attributes[i].values = append(r.attributes[i].values, value)
			return
		}
	}
	r.attributes = append(r.attributes, attribute{name, []string{value}})
}
