"""Exact random forest search: GridSearchCV's scores to the last bit, each tree grown once.

`ExactForestSearchCV` is the search as an estimator; `plan_search`, `ExactWork` and
`grow_unit` are its parts for work on other machines. Importing this package imports
neither scikit-learn nor the kernels.
"""
