package render

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"
)

// asset is a file of static/, under a name that changes with its content: a
// browser may keep it for ever.
type asset struct {
	content []byte
	kind    string
}

// stylesheet is the one style sheet of all pages: tokens.css, the colours of
// the site, page.css, in one request.
const stylesheet = "loge.css"

// stylesheetOf is that of a theme.
func stylesheetOf(theme string) string {
	if theme == "" {
		return stylesheet
	}
	return "loge-" + theme + ".css"
}

func (p *Pages) loadStatic(layers overlay) error {
	p.assets, p.assetPaths = map[string]asset{}, map[string]string{}
	files := map[string][]byte{}
	err := layers.each("static/*", func(name string, content []byte) error {
		files[name] = content
		return nil
	})
	if err != nil {
		return err
	}
	for _, part := range []string{"tokens.css", "page.css"} {
		if files[part] == nil {
			return fmt.Errorf("static/%s: is missing", part)
		}
	}
	for theme, f := range p.site.faces {
		files[stylesheetOf(theme)] = bytes.Join([][]byte{files["tokens.css"], []byte(f.css), files["page.css"]}, nil)
	}
	delete(files, "tokens.css")
	delete(files, "page.css")
	for name, content := range files {
		sum := sha256.Sum256(content)
		ext := path.Ext(name)
		hashed := strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:6]) + ext
		p.assets[hashed] = asset{content, mime.TypeByExtension(ext)}
		p.assetPaths[name] = p.base + "/static/" + hashed
	}
	return nil
}

// Static serves the files of static/ at GET /static/{file}: only under the
// names that hold their hash.
func (p *Pages) Static() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		file, ok := p.assets[path.Base(r.URL.Path)]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		w.Header().Set("Content-Type", file.kind)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(file.content))
	})
}
