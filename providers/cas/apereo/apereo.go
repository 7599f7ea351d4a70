// Package apereo takes over the service files of an Apereo CAS server: it
// writes the configuration that says the same, and a report of what has no
// equal here.
package apereo

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/goccy/go-yaml"

	"github.com/loge-idp/loge/providers/cas/registry"
)

// Import reads JSON service definitions, files or directories of them, and
// writes the sections of the protocols as YAML. The report tells, service by
// service, what became of it. A file that cannot be read is in the report, and
// in the error once all others are done. A service whose access rules cannot be
// said here is left out: it never becomes easier to enter.
func Import(paths []string, out, report io.Writer) error {
	files, err := list(paths)
	if err != nil {
		return err
	}
	var definitions []definition
	var unread []error
	for _, file := range files {
		d, err := read(file)
		if err != nil {
			unread = append(unread, fmt.Errorf("%s: %w", file, err))
			fmt.Fprintf(report, "%s\n  not read: %v\n", file, err)
			continue
		}
		definitions = append(definitions, d)
	}
	slices.SortStableFunc(definitions, func(a, b definition) int { return cmp.Compare(a.order(), b.order()) })
	found := sections{rules: map[string]string{}}
	for _, d := range definitions {
		n := &notes{}
		fmt.Fprintf(report, "%s (%s)\n", d.name(), filepath.Base(d.file))
		found.add(d, n)
		for _, line := range n.lines {
			fmt.Fprintf(report, "  %s\n", line)
		}
	}
	fmt.Fprint(report, general)
	if err := found.write(out); err != nil {
		return err
	}
	return errors.Join(unread...)
}

// general is what holds for every service.
const general = `For all of them:
  evaluationOrder is not kept: of two services the one that is registered with the most of the path wins.
  Letters of a path count as they are written; Apereo CAS takes upper and lower case for the same.
  Names of attributes are those of your directory: have them read by its key attributes.release.
`

// list are the files that paths name, those of a directory in order.
func list(paths []string) ([]string, error) {
	var files []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			files = append(files, path)
			continue
		}
		inside, err := filepath.Glob(filepath.Join(path, "*.json"))
		if err != nil {
			return nil, err
		}
		files = append(files, inside...)
	}
	if files == nil {
		return nil, errors.New("there is no file *.json to read")
	}
	return files, nil
}

// notes are what the report says of one service.
type notes struct{ lines []string }

func (n *notes) add(format string, args ...any) {
	n.lines = append(n.lines, fmt.Sprintf(format, args...))
}

// sections are what is written.
type sections struct {
	services []registry.Service
	clients  []client
	rules    map[string]string // what is registered already, and by which name
}

func (s *sections) write(out io.Writer) error {
	type list map[string]any
	protocols := map[string]list{}
	if s.services != nil {
		protocols["cas"] = list{"services": s.services}
	}
	if s.clients != nil {
		protocols["oidc"] = list{"clients": s.clients}
	}
	text, err := json.Marshal(map[string]any{"protocols": protocols})
	if err == nil {
		text, err = yaml.JSONToYAML(text)
	}
	if err == nil {
		_, err = out.Write(text)
	}
	return err
}

// taken tells whether a service has the same rule, and notes it.
func (s *sections) taken(rule, name string, n *notes) bool {
	other, taken := s.rules[rule]
	if taken {
		n.add("left out: %s has the same URLs", other)
		return true
	}
	s.rules[rule] = name
	return false
}
