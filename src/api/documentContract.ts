import { z } from 'zod';
import { endpoint } from './endpoint.ts';

export const openApi = endpoint({
  name: 'getOpenApi',
  method: 'get',
  path: '/openapi.json',
  tag: 'Operation',
  summary: 'This document',
  description: 'The OpenAPI 3.1 document of this API.',
  isPublic: true,
  answer: {
    status: 200,
    description: 'The document.',
    schema: z.looseObject({ openapi: z.literal('3.1.0') }),
  },
  example: { answer: { openapi: '3.1.0' } },
});

export const docsPage = endpoint({
  name: 'getDocs',
  method: 'get',
  path: '/docs',
  tag: 'Operation',
  summary: 'This document as a page',
  description: 'For people; it needs nothing from anywhere else.',
  isPublic: true,
  answer: { status: 200, description: 'The page.', contentType: 'text/html; charset=utf-8' },
  example: { answer: null },
});

export const docsStyle = endpoint({
  name: 'getDocsStyle',
  method: 'get',
  path: '/docs/style.css',
  tag: 'Operation',
  summary: 'The style of the page',
  description: 'The style sheet of `/docs`.',
  isPublic: true,
  answer: { status: 200, description: 'The style sheet.', contentType: 'text/css; charset=utf-8' },
  example: { answer: null },
});
