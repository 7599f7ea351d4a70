package render

import (
	"errors"
	"io/fs"
	"path"
	"slices"
)

// overlay reads each file from the first layer that has it: the site's folder,
// then a plugin's, then the shipped one. A folder is the union of all layers.
type overlay []fs.FS

// Open implements fs.FS for files.
func (o overlay) Open(name string) (fs.File, error) {
	for _, layer := range o {
		file, err := layer.Open(name)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return file, err
		}
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// Glob implements fs.GlobFS: the names that match in any layer, sorted, each
// once.
func (o overlay) Glob(pattern string) ([]string, error) {
	var names []string
	for _, layer := range o {
		found, err := fs.Glob(layer, pattern)
		if err != nil {
			return nil, err
		}
		names = append(names, found...)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// each calls visit for every file in one folder, by the name after its last
// slash.
func (o overlay) each(pattern string, visit func(name string, content []byte) error) error {
	files, err := o.Glob(pattern)
	if err != nil {
		return err
	}
	for _, file := range files {
		content, err := fs.ReadFile(o, file)
		if err != nil {
			return err
		}
		if err := visit(path.Base(file), content); err != nil {
			return err
		}
	}
	return nil
}

// ReadFile implements fs.ReadFileFS.
func (o overlay) ReadFile(name string) ([]byte, error) {
	for _, layer := range o {
		content, err := fs.ReadFile(layer, name)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return content, err
		}
	}
	return nil, &fs.PathError{Op: "read", Path: name, Err: fs.ErrNotExist}
}
