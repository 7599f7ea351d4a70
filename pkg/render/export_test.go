package render

import htmltemplate "html/template"

// Unfold has every page and mail shown from its template as it is written.
func (p *Pages) Unfold() error {
	for _, set := range p.sets {
		for _, all := range []map[string]page{set.pages, set.mails} {
			for name, each := range all {
				t, err := each.read()
				if err != nil {
					return err
				}
				each.shown = func() *htmltemplate.Template { return t }
				all[name] = each
			}
		}
	}
	return nil
}
