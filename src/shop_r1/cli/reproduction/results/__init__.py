"""The results of a reproduction: measured from its predictions, as one record, tables, figures and pages."""
